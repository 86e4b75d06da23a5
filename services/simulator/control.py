"""The control API over HTTP: what tests and people use to make things happen.

GET /control lists the operations, POST /control/<operation> with a JSON object of arguments performs one,
GET /control/world sums the world up, GET /control/vms lists its VMs.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from services.simulator.soap.faults import Fault
from services.simulator.world.operations import describe, perform
from services.simulator.world.world import World


class ControlServer:
    """Serves the control API of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[web.RouteDef]:
        """The routes of the control API."""
        return [
            web.get("/control", self.operations),
            web.get("/control/world", self.summary),
            web.get("/control/vms", self.vms),
            web.post("/control/{operation}", self.perform),
        ]

    async def operations(self, request: web.Request) -> web.Response:  # noqa: ARG002  aiohttp's signature
        """Every operation with its parameters."""
        return web.json_response({"operations": describe(self.world)})

    async def summary(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Counts and state."""
        return web.json_response(self.world.summary())

    async def vms(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Every VM."""
        return web.json_response({"vms": self.world.vm_listing()})

    async def perform(self, request: web.Request) -> web.Response:
        """Perform one operation; 400 with the reason when it can't be."""
        try:
            arguments = await _arguments(request)
            result = perform(self.world, request.match_info["operation"], arguments)
        except Fault as fault:
            return web.json_response({"fault": fault.type, "message": fault.message}, status=400)
        return web.json_response({"result": result})


async def _arguments(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    if not text.strip():
        return {}
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise Fault("InvalidRequest", f"The body is no JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise Fault("InvalidRequest", "The body must be a JSON object of arguments by name.")
    return arguments

"""`patchbay status`: which services take part, and how much waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from services.allocator.offers import count_offers
from services.allocator.sight import Sight, read_sights
from services.cli.instance import with_platform
from services.cli.outcome import Json, aside, present
from services.cli.rendering.sight import with_sight
from services.cli.rendering.tables import add, table
from services.cli.requests import seconds
from shared.events.topology import (
    ALLOCATOR_COMMANDS,
    ALLOCATOR_FACTS,
    COLLECTOR_COMMANDS,
    DEAD_LETTER_QUEUE,
    PLACEMENT_FACTS,
    PLACEMENT_REQUESTS,
    TOPOLOGY,
)
from shared.runtime.environment import Platform

QUEUES = {
    "collector": (COLLECTOR_COMMANDS,),
    "allocator": (ALLOCATOR_FACTS, ALLOCATOR_COMMANDS),
    "placement": (PLACEMENT_FACTS, PLACEMENT_REQUESTS),
}


@dataclass(frozen=True)
class ServiceStatus:
    """A service runs when each of its queues has a consumer; `waiting` messages are ready in them."""

    service: str
    running: bool
    consumers: int
    waiting: int


@dataclass(frozen=True)
class Status:
    """The services, how many messages nobody could handle, and how much of each vCenter is known."""

    services: tuple[ServiceStatus, ...]
    dead_letters: int
    vcenters: tuple[Sight, ...]
    obstacle: str | None = None
    """Why the bus takes no messages from anybody, if so."""

    rebind_offers: int = 0
    """Wires that could stand in for others whose port group is gone: see `patchbay wire list`."""

    @property
    def complete(self) -> bool:
        """Do all services run?"""
        return all(service.running for service in self.services)


def status(
    wait: Annotated[
        str | None, typer.Option(help="Wait up to this long (30s, 2m) until every service runs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which services run and how many messages wait for them.

    Exit 1 when a service does not run or the broker takes no messages.
    """
    try:
        patience = seconds(wait) if wait is not None else 0
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    async def work(platform: Platform) -> Status:
        await platform.bus.declare(TOPOLOGY)
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            found = await read_status(platform)
            if found.complete or asyncio.get_running_loop().time() >= deadline:
                return found
            await asyncio.sleep(0.3)

    found = with_platform(work, as_json=as_json)
    present(found, lambda: _render(found), as_json=as_json)
    if found.dead_letters and not as_json:
        aside().print("dead letters wait for a decision: patchbay dead-letters list", markup=False)
    if found.obstacle is not None:
        aside().print(
            f"{found.obstacle}. Nothing is lost: whoever publishes waits. See docs/explanation/rabbitmq.md",
            markup=False,
        )
    if found.rebind_offers and not as_json:
        aside().print("wires were made again in place of others: patchbay wire list", markup=False)
    if not found.complete:
        absent = [service.service for service in found.services if not service.running]
        aside().print(f"not running: {', '.join(absent)}. Start with: patchbay run {' '.join(absent)}")
    if found.obstacle is not None or not found.complete:
        raise typer.Exit(1)


async def read_status(platform: Platform) -> Status:
    """The state of every service's queues, and of every vCenter."""
    bus, services = platform.bus, []
    for service, queues in QUEUES.items():
        states = [await bus.state(queue) for queue in queues]
        services.append(
            ServiceStatus(
                service=service,
                running=all(state.consumers > 0 for state in states),
                consumers=max(state.consumers for state in states),
                waiting=sum(state.ready for state in states),
            )
        )
    dead = (await bus.state(DEAD_LETTER_QUEUE)).ready
    sights = tuple(await read_sights(platform.pool))
    offers = await count_offers(platform.pool)
    return Status(tuple(services), dead, sights, await bus.obstacle(), rebind_offers=offers)


def _render(found: Status) -> RenderableType:
    grid = table("service", "state", "processes", "messages waiting", right=("processes", "messages waiting"))
    for service in found.services:
        state = Text("running", style="green") if service.running else Text("not running", style="red")
        add(grid, service.service, state, service.consumers, service.waiting)
    dead = Text(str(found.dead_letters), style="bold red" if found.dead_letters else "")
    add(grid, "dead letters", "", "", dead)
    if found.obstacle is not None:
        add(grid, "broker", Text(found.obstacle, style="bold red"), "", "")
    return with_sight(grid, found.vcenters)

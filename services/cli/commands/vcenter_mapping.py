"""`patchbay vcenter mapping`: what counts as one network in a vCenter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from services.cli.asking import operator, order
from services.cli.commands.wire_changes import DryRun
from services.cli.instance import with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.wires import render_mapping
from shared.events.wire_commands import WireSetMapping
from shared.runtime.environment import Platform


class Mapping(StrEnum):
    """What is one network: a port group, or all port groups of a switch with one VLAN."""

    portgroup = "portgroup"
    switch = "switch"


def mapping(
    which: Annotated[str, typer.Argument(help="Name, id or instance UUID of the vCenter.")],
    to: Annotated[
        Mapping,
        typer.Argument(help="portgroup: each is a network. switch: all of a switch with one VLAN are one."),
    ],
    *,
    keep: Annotated[
        bool,
        typer.Option(help="From switch to portgroup: pin the wires in use, so that every record stays."),
    ] = True,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Decide what counts as one network in a vCenter; its addresses are matched anew."""

    async def work(platform: Platform) -> dict[str, Any]:
        found = await find_vcenter(platform.pool, which)
        if found.instance_uuid is None:
            raise Misused(f"nothing was heard of {found.name} yet", hint="See: patchbay vcenter list")
        command = WireSetMapping(
            vcenter=found.instance_uuid, mapping=to.value, keep=keep, by=operator(), dry_run=dry_run
        )
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: render_mapping(result, which), as_json=as_json)

"""`patchbay subnet wires|why|set-wires`: from which wires a subnet is used, why, and what people say."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from services.allocator.explaining_wires import WhyWire, why_wire, why_wires
from services.cli.asking import operator, order
from services.cli.commands.subnet_changes import Scope, Which
from services.cli.instance import with_platform
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.wires import render_decisions, render_why_wire, render_why_wires
from services.cli.settings import load
from shared.events.wire_commands import SubnetSetWires, WirePolicy
from shared.runtime.environment import Platform

Wires = list[str]


def wires(which: Which, *, scope: Scope = "default", as_json: Json = False) -> None:
    """Show the wires of a subnet, and others it is seen on, with the evidence."""

    async def work(platform: Platform) -> tuple[WhyWire, ...]:
        return await why_wires(platform.pool, which, scope=scope, weight=load().allocator.weight())

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_why_wires(found), as_json=as_json)


def why(
    which: Which,
    wire: Annotated[str, typer.Argument(help="Id, managed object id or name of the wire.")],
    *,
    scope: Scope = "default",
    as_json: Json = False,
) -> None:
    """Say why a wire may, or may not, use a subnet."""

    async def work(platform: Platform) -> WhyWire:
        return await why_wire(platform.pool, which, wire, scope=scope, weight=load().allocator.weight())

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_why_wire(which, found), as_json=as_json)


def set_wires(
    which: Which,
    *,
    pin: Annotated[Wires | None, typer.Option(metavar="WIRE", help="This wire may use it. Repeat.")] = None,
    deny: Annotated[
        Wires | None, typer.Option(metavar="WIRE", help="This wire may not use it. Repeat.")
    ] = None,
    clear: Annotated[
        Wires | None, typer.Option(metavar="WIRE", help="This wire is left to detection. Repeat.")
    ] = None,
    scope: Scope = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """State for several wires at once whether they may use a subnet; all or nothing."""
    asked = [("pin", name) for name in pin or ()]
    asked += [("deny", name) for name in deny or ()] + [("auto", name) for name in clear or ()]
    if not asked:
        raise typer.BadParameter("name at least one wire with --pin, --deny or --clear")
    command = SubnetSetWires(
        subnet=which,
        scope=scope,
        wires=tuple(WirePolicy.model_validate({"wire": name, "policy": policy}) for policy, name in asked),
        by=operator(),
        dry_run=dry_run,
    )

    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    if "wires" not in result:
        raise Misused("the allocator does not know this command; are all services of one release?")
    present(result, lambda: render_decisions(result, Text(which, style="bold")), as_json=as_json)

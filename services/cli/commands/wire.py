"""`patchbay wire`: the layer-2 networks that port groups are."""

from __future__ import annotations

from typing import Annotated

import typer

from services.allocator import queries
from services.allocator.queries import WireRow
from services.cli.commands import wire_changes
from services.cli.instance import with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, present
from services.cli.rendering.inventory import render_wire, render_wires
from services.cli.sight import Seen, seen
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Wires: one for each port group.")
app.command()(wire_changes.rebind)


@app.command("list")
def list_(
    *,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    retired: Annotated[bool, typer.Option("--retired", help="Also those whose port group is gone.")] = False,
    as_json: Json = False,
) -> None:
    """Show wires with the subnets used from them."""

    async def work(platform: Platform) -> Seen[WireRow]:
        found = await find_vcenter(platform.pool, vcenter) if vcenter else None
        identity = found.instance_uuid if found else None
        rows = await queries.list_wires(platform.pool, vcenter=identity, retired=retired)
        return await seen(platform.pool, rows, lambda row: row.vcenter)

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(render_wires(found.rows)), as_json=as_json)


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Id, managed object id or name of the wire.")],
    as_json: Json = False,
) -> None:
    """Show all of one wire."""

    async def work(platform: Platform) -> Seen[WireRow]:
        row = await queries.show_wire(platform.pool, which)
        return await seen(platform.pool, [row], lambda row: row.vcenter)

    found = with_platform(work, as_json=as_json)
    present(found.told()[0], lambda: found.below(render_wire(found.rows[0])), as_json=as_json)

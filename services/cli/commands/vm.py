"""`patchbay vm`: VMs as the platform sees them, and why an address has, or lacks, a NIC record."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic_core import to_jsonable_python
from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator import vm_queries
from services.allocator.explaining import WhyVm
from services.allocator.explaining import why as explain
from services.allocator.sight import Sight
from services.allocator.vm_queries import NicRow, UnmatchedRow, VmRow
from services.cli.commands import vm_fixes
from services.cli.instance import with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, present
from services.cli.rendering.inventory import render_nics, render_unmatched, render_vms
from services.cli.rendering.sight import with_sight
from services.cli.rendering.why import render_why
from services.cli.settings import load
from services.cli.sight import Seen, seen, sights_of
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="VMs, their ports and addresses.")

Shown = tuple[VmRow | None, list[NicRow], list[UnmatchedRow], list[Sight]]

Which = Annotated[str, typer.Argument(help="Name, managed object id or id of the VM.")]


@app.command("list")
def list_(
    named: Annotated[str | None, typer.Argument(help="Only those with this in their name.")] = None,
    *,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    as_json: Json = False,
) -> None:
    """Show VMs with their recorded addresses."""

    async def work(platform: Platform) -> Seen[VmRow]:
        found = await find_vcenter(platform.pool, vcenter) if vcenter else None
        identity = found.instance_uuid if found else None
        rows = await vm_queries.list_vms(platform.pool, vcenter=identity, named=named)
        return await seen(platform.pool, rows, lambda row: row.vcenter)

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(render_vms(found.rows)), as_json=as_json)


@app.command()
def show(which: Which, as_json: Json = False) -> None:
    """Show a VM with its NIC records, and the addresses that have none."""

    async def work(platform: Platform) -> Shown:
        pool = platform.pool
        place = await vm_queries.locate_vm(pool, which)
        identity = place.id
        row = next((row for row in await vm_queries.list_vms(pool) if row.id == identity), None)
        weight = load().allocator.weight()
        return (
            row,
            await vm_queries.list_nics(pool, vm=str(identity)),
            await vm_queries.list_unmatched(pool, vm=str(identity), weight=weight),
            await sights_of(pool, [place.vcenter]),
        )

    row, nics, unmatched, sights = with_platform(work, as_json=as_json)
    present(
        {"vm": row, "nics": nics, "unmatched": unmatched, "sight": sights},
        lambda: with_sight(_shown(which, row, nics, unmatched), sights),
        as_json=as_json,
    )


def _shown(
    which: str, row: VmRow | None, nics: list[NicRow], unmatched: list[UnmatchedRow]
) -> RenderableType:
    head = render_vms([row]) if row else Text(f"{which} was removed")
    parts: list[RenderableType] = [head, Text(), render_nics(nics)]
    if unmatched:
        parts += [Text(), render_unmatched(unmatched)]
    return Group(*parts)


@app.command()
def why(which: Which, as_json: Json = False) -> None:
    """Say for each port of a VM why it has its NIC record, or none."""

    async def work(platform: Platform) -> tuple[WhyVm, list[Sight]]:
        found = await explain(platform.pool, which, weight=load().allocator.weight())
        place = await vm_queries.locate_vm(platform.pool, which)
        return found, await sights_of(platform.pool, [place.vcenter])

    found, sights = with_platform(work, as_json=as_json)
    present(
        {**to_jsonable_python(found), "sight": sights},
        lambda: with_sight(render_why(found), sights),
        as_json=as_json,
    )


app.command("fix-nics")(vm_fixes.fix_nics)
app.command("unfix-nics")(vm_fixes.unfix_nics)

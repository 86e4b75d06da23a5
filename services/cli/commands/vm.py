"""`patchbay vm`: VMs as the platform sees them, and why an address has, or lacks, a NIC record."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator import queries
from services.allocator.explaining import WhyVm
from services.allocator.explaining import why as explain
from services.allocator.queries import NicRow, UnmatchedRow, VmRow
from services.cli.asking import operator, order
from services.cli.instance import ended_well, with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.inventory import render_nics, render_unmatched, render_vms
from services.cli.rendering.why import render_why
from services.cli.requests import faults_of
from services.cli.settings import load
from services.cli.subnets import port_fix
from shared.events.commands import VmFixNics
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="VMs, their ports and addresses.")

Which = Annotated[str, typer.Argument(help="Name, managed object id or id of the VM.")]


@app.command("list")
def list_(
    named: Annotated[str | None, typer.Argument(help="Only those with this in their name.")] = None,
    *,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    as_json: Json = False,
) -> None:
    """Show VMs with their recorded addresses."""

    async def work(platform: Platform) -> list[VmRow]:
        found = await find_vcenter(platform.pool, vcenter) if vcenter else None
        identity = found.instance_uuid if found else None
        return await queries.list_vms(platform.pool, vcenter=identity, named=named)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: render_vms(rows), as_json=as_json)


@app.command()
def show(which: Which, as_json: Json = False) -> None:
    """Show a VM with its NIC records, and the addresses that have none."""

    async def work(platform: Platform) -> tuple[VmRow | None, list[NicRow], list[UnmatchedRow]]:
        pool = platform.pool
        identity = (await explain(pool, which)).id
        row = next((row for row in await queries.list_vms(pool) if row.id == identity), None)
        weight = load().allocator.weight()
        return (
            row,
            await queries.list_nics(pool, vm=str(identity)),
            await queries.list_unmatched(pool, vm=str(identity), weight=weight),
        )

    row, nics, unmatched = with_platform(work, as_json=as_json)
    present(
        {"vm": row, "nics": nics, "unmatched": unmatched},
        lambda: _shown(which, row, nics, unmatched),
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

    async def work(platform: Platform) -> WhyVm:
        return await explain(platform.pool, which, weight=load().allocator.weight())

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_why(found), as_json=as_json)


@app.command("fix-nics")
def fix_nics(
    which: Which,
    fixes: Annotated[
        list[str],
        typer.Argument(help="ADDRESS for the ports in order, or PORT=ADDRESS with device key, MAC or label."),
    ],
    as_json: Json = False,
) -> None:
    """State addresses that Tools can't report; they are never overwritten by what is observed."""
    with ended_well():
        try:
            command = VmFixNics.model_validate(
                {"vm": which, "fixes": [port_fix(text) for text in fixes], "by": operator()}
            )
        except ValidationError as error:
            raise Misused(faults_of(error)) from None
        except ValueError as error:
            raise Misused(str(error)) from None

    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    ports = f"{len(fixes)} address" + ("es" if len(fixes) != 1 else "")
    present(result, lambda: Text(f"fixed {ports} of {which}"), as_json=as_json)

"""`patchbay nic`: which port holds which address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator import vm_queries
from services.allocator.domain.fixes import Device, name_port
from services.allocator.explaining import WhyVm
from services.allocator.explaining import why as explain
from services.allocator.vm_queries import NicRow, UnmatchedRow
from services.cli.commands import who_had
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.inventory import render_nics, render_unmatched
from services.cli.rendering.why import render_why
from services.cli.selecting import canonical_address
from services.cli.settings import load
from services.cli.sight import Seen, seen_on
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="NIC records, and addresses that have none.")

app.command("history")(who_had.nic_history)

VmOption = Annotated[str | None, typer.Option(help="Only this VM: name, managed object id or id.")]


@app.command("list")
def list_(
    *,
    vm: VmOption = None,
    subnet: Annotated[str | None, typer.Option(help="Only this subnet: name or id.")] = None,
    scope: Annotated[str, typer.Option(help="Address space of the subnet's name.")] = "default",
    wire: Annotated[str | None, typer.Option(help="Only this wire: name or id.")] = None,
    address: Annotated[str | None, typer.Option(help="Only this IP address.")] = None,
    as_json: Json = False,
) -> None:
    """Show NIC records, a line for each address."""
    try:
        wanted = canonical_address(address) if address else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    async def work(platform: Platform) -> Seen[NicRow]:
        rows = await vm_queries.list_nics(
            platform.pool, vm=vm, subnet=subnet, scope=scope, wire=wire, address=wanted
        )
        return await seen_on(platform.pool, rows, lambda row: {row.wire})

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(render_nics(found.rows)), as_json=as_json)


@app.command()
def unmatched(
    *,
    vm: VmOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 1000,
    as_json: Json = False,
) -> None:
    """Show addresses that VMs are seen with and that have no NIC record, each with the reason."""

    async def work(platform: Platform) -> Seen[UnmatchedRow]:
        weight = load().allocator.weight()
        rows = await vm_queries.list_unmatched(platform.pool, vm=vm, limit=limit, weight=weight)
        return await seen_on(platform.pool, rows, lambda row: {row.wire} if row.wire else set())

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(_render(found.rows)), as_json=as_json)


@app.command()
def why(
    which: Annotated[str, typer.Argument(help="Name, managed object id or id of the VM.")],
    port: Annotated[str, typer.Argument(help="Device key, MAC or label of the port.")],
    as_json: Json = False,
) -> None:
    """Say for one port of a VM why it has its NIC record, or none."""

    async def work(platform: Platform) -> WhyVm:
        whole = await explain(platform.pool, which, weight=load().allocator.weight())
        placed = [p for p in whole.ports if p.device_key is not None]
        meant = name_port([Device(p.device_key or 0, p.label, p.mac) for p in placed], port)
        return replace(whole, ports=tuple(p for p in placed if p.device_key == meant.key))

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_why(found), as_json=as_json)


def _render(rows: Sequence[UnmatchedRow]) -> RenderableType:
    return Group(render_unmatched(rows)) if rows else Text("every address that was seen has its NIC record")

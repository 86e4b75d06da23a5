"""`patchbay address share`, `unshare` and `shared`: addresses that several may have."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import RenderableType
from rich.text import Text

from services.allocator.conflict_queries import SharedRow, list_shared
from services.cli.asking import operator, order
from services.cli.instance import ended_well, with_platform
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.tables import add, table
from services.cli.requests import faults_of
from shared.events.address_sharing import AddressShare, AddressUnshare
from shared.runtime.environment import Platform

Address = Annotated[str, typer.Argument(help="IPv4 or IPv6 address.")]
Scope = Annotated[str, typer.Option(help="Address space the address is in.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; tell what would come of it.")]


def share(
    address: Address,
    *,
    note: Annotated[str | None, typer.Option(help="What it is: VRRP of the firewalls, anycast DNS …")] = None,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Declare an address shared (VIP, anycast, CARP): that several have it is then no conflict."""
    _ordered(AddressShare, address, as_json=as_json, scope=scope, note=note, dry_run=dry_run)


def unshare(
    address: Address, *, scope: Scope = "default", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Take that back: who is seen with the address claims it again."""
    _ordered(AddressUnshare, address, as_json=as_json, scope=scope, dry_run=dry_run)


def shared(*, as_json: Json = False) -> None:
    """Show the addresses that are declared shared, and who is seen with them."""

    async def work(platform: Platform) -> list[SharedRow]:
        return await list_shared(platform.pool)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: _render(rows), as_json=as_json)


def _ordered(
    kind: type[AddressShare | AddressUnshare], address: str, *, as_json: bool, **values: object
) -> None:
    with ended_well():
        try:
            command = kind.model_validate({"address": address, "by": operator(), **values})
        except ValidationError as error:
            raise Misused(faults_of(error)) from None

    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: _said(kind, result), as_json=as_json)


def _said(kind: type[AddressShare | AddressUnshare], result: dict[str, Any]) -> RenderableType:
    what = "shared" if kind is AddressShare else "not shared any more"
    how = "would be" if result.get("dry_run") else "is"
    seen = ", ".join(result["vms"]) or "nobody"
    return Text(
        f"{result['address']} in scope {result['scope']} {how} {what}; seen with it: {seen}",
        style="yellow" if result.get("dry_run") else "",
    )


def _render(rows: list[SharedRow]) -> RenderableType:
    if not rows:
        return Text("no address is declared shared")
    grid = table("address", "scope", "note", "VMs seen with it", "by", "since")
    for row in rows:
        add(grid, Text(row.address, style="bold"), row.scope, row.note, row.vms, row.by, row.at)
    return grid

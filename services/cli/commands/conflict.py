"""`patchbay conflict`: two that claim the same address, MAC or instance UUID."""

from __future__ import annotations

from typing import Annotated, get_args

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.conflict_queries import ConflictRow, list_conflicts, show_conflict
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.tables import add, facts, table
from services.cli.selecting import canonical_address
from shared.events.address import ConflictKind, Party
from shared.model.command_line import typed
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Conflicts: two claim one address, MAC or instance UUID.")

_KINDS = get_args(ConflictKind)
_MEANS = {
    "address": "two ports are seen with one address",
    "fixed": "seen on one port, but an operator stated it for another",
    "bound": "seen on a port that has not the MAC it is kept for",
    "reserved": "seen on a port, but an operator keeps it out of use",
    "reservation": "seen on a port, but held for a VM to come",
    "gateway": "the gateway of the subnet is seen on a VM",
    "mac": "two ports that are on have one MAC",
    "instance_uuid": "two VMs that are on have one instance UUID",
}


@app.command("list")
def list_(
    *,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help=f"Only these: {', '.join(_KINDS)}. Repeatable.")
    ] = None,
    vm: Annotated[str | None, typer.Option(help="Only this VM: name, managed object id or id.")] = None,
    address: Annotated[str | None, typer.Option(help="Only this IP address.")] = None,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    as_json: Json = False,
) -> None:
    """Show the open conflicts, the oldest first."""
    for one in kind or ():
        if one not in _KINDS:
            raise typer.BadParameter(f"{one!r}; there are {', '.join(_KINDS)}", param_hint="--kind")
    try:
        wanted = canonical_address(address) if address else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--address") from None

    async def work(platform: Platform) -> list[ConflictRow]:
        return await list_conflicts(platform.pool, kinds=kind or (), vm=vm, address=wanted, scope=scope)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: _table(rows), as_json=as_json)


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Id or its beginning, or the address, MAC or instance UUID.")],
    as_json: Json = False,
) -> None:
    """Show one conflict with both parties and the ways out."""

    async def work(platform: Platform) -> ConflictRow:
        return await show_conflict(platform.pool, which)

    row = with_platform(work, as_json=as_json)
    present(row, lambda: _whole(row), as_json=as_json)


def remedy(kind: str, what: str, scope: str | None, holder: Party) -> str:
    """The ways out, as sentences with commands."""
    there = scope or DEFAULT_SCOPE_NAME
    change = "Change the claimant's guest"
    share = typed("address", "share", what, scope=there)
    name, port = holder.vm_name or str(holder.vm or holder.id), holder.mac or "PORT"
    match kind:
        case "address":
            fix = typed("vm", "fix-nics", name, "--nic", f"{port}={what}")
            return (
                f"Change one of the two guests; or make it the holder's for good: {fix}; "
                f"or, if both may have it: {share}"
            )
        case "fixed":
            return f"{change}, or take the fix back with: {typed('vm', 'unfix-nics', name, '--nic', port)}"
        case "bound":
            return f"{change}, or end the binding with: {typed('address', 'unbind', what, scope=there)}"
        case "reserved":
            return f"{change}, or give it back with: {typed('address', 'release', what, scope=there)}"
        case "reservation":
            cancel = typed("reservation", "cancel", str(holder.id))
            return f"{change}; or, if nobody is to have what it was reserved for: {cancel}"
        case "gateway":
            return f"Change the guest; or, if it is a virtual router: {share}"
        case "mac":
            return "Give one of the two devices a new MAC in vCenter; a clone may have its original's."
        case _:
            return "One is a copy that was registered as moved: register it again as copied."


def _table(rows: list[ConflictRow]) -> RenderableType:
    if not rows:
        return Text("no open conflicts")
    grid = table("id", "kind", "what", "holder", "claimant", "since")
    for row in rows:
        add(
            grid,
            *(str(row.id)[:8], Text(row.kind, style="yellow"), Text(row.what, style="bold")),
            *(_name(row.holder), _name(row.claimant), row.opened_at),
        )
    return grid


def _whole(row: ConflictRow) -> RenderableType:
    head = facts(
        conflict=Text(str(row.id), style="bold"),
        kind=f"{row.kind}: {_MEANS[row.kind]}",
        what=row.what,
        scope=row.scope,
        since=row.opened_at,
        holder=_described(row.holder),
        claimant=_described(row.claimant),
    )
    return Group(head, Text(), Text(remedy(row.kind, row.what, row.scope, row.holder)))


def _name(party: Party) -> str:
    if party.kind == "reservation":
        return f"reservation {str(party.id)[:8]}"
    if party.kind == "reserved":
        return f"reserved: {party.name}" if party.name else "reserved"
    if party.kind == "gateway":
        return f"gateway of {party.name or party.id}"
    return party.vm_name or str(party.id)


def _described(party: Party) -> str:
    parts = [_name(party)]
    parts += [party.vm_moid] if party.vm_moid else []
    parts += [party.mac] if party.mac else []
    if party.kind == "nic":
        parts.append("has the NIC record")
    return ", ".join(parts)

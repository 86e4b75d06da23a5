"""Operators' commands about addresses that are one port's alone: bound to its MAC, and unbound."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.allocator.address_commands import give_back, known_scope, refuse_bound
from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.in_use import refuse_held
from services.allocator.naming import read_parties
from services.allocator.settling import Policy, settle
from shared.events.address_commands import AddressBind, AddressUnbind
from shared.events.envelope import Envelope
from shared.events.reserved import AddressBound, AddressUnbound
from shared.ipam import reserving
from shared.ipam.domain import default_ranges, why_not_allocatable
from shared.ipam.errors import LedgerRefusal
from shared.ipam.reserving import ReservedAddress
from shared.ipam.subnets import Subnet, subnets_of_addresses
from shared.model.addresses import parse_address
from shared.store.pool import Connection


async def bind(
    conn: Connection, envelope: Envelope[Any], command: AddressBind, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Keep the address for the port with the MAC; that port may have it already, nobody else may."""
    scope = await known_scope(conn, command.scope)
    subnet = await _subnet_for_binding(conn, scope, command)
    known = (await reserving.reserved_at(conn, [command.address])).get((scope, command.address))
    if known is not None and known.mac == command.mac and known.note == command.note:
        return _bound(command, subnet, changed=False)
    await _refuse_other_words(conn, scope, subnet, command, known)
    held = await reserving.holds_reserved(conn, scope, [command.address])
    parties = await read_parties(conn, [row.holder for row in held.values()])
    own = {address for address, row in held.items() if parties[row.holder].mac == command.mac}
    others = {a: row for a, row in held.items() if a not in own}
    await refuse_held(conn, command.scope, others, f"bound to {command.mac}")
    say = reserving.state if own else reserving.reserve
    await say(
        conn,
        scope,
        [command.address],
        envelope.time,
        note=command.note,
        by=command.by,
        mac=command.mac,
    )
    event = AddressBound(
        scope=command.scope,
        address=command.address,
        mac=command.mac,
        subnet=subnet.id,
        note=command.note,
        by=command.by,
    )
    out.add(event, scope, command.address, cause=envelope)
    await settle(conn, Dirty(addresses={command.address}), Occasion([envelope]), out, policy)
    return _bound(command, subnet, changed=True)


async def unbind(
    conn: Connection, envelope: Envelope[Any], command: AddressUnbind, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Undo a binding; who has the address keeps it."""
    scope = await known_scope(conn, command.scope)
    known = (await reserving.reserved_at(conn, [command.address])).get((scope, command.address))
    if known is None or known.mac is None:
        raise LedgerRefusal(
            f"{command.address} is bound to no MAC in scope {command.scope!r}",
            code="address_not_bound",
            field="address",
            hint="list what is: patchbay address list --bound",
        )
    subnets = await subnets_of_addresses(conn, scope, [command.address])
    event = AddressUnbound(
        scope=command.scope,
        address=command.address,
        mac=known.mac,
        subnet=subnets[command.address].id if command.address in subnets else None,
        note=known.note,
        by=command.by,
    )
    out.add(event, scope, command.address, cause=envelope)
    dirty = await give_back(conn, scope, [known], envelope.time)
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    return {"scope": command.scope, "address": command.address, "mac": known.mac}


async def _subnet_for_binding(conn: Connection, scope: UUID, command: AddressBind) -> Subnet:
    subnet = (await subnets_of_addresses(conn, scope, [command.address])).get(command.address)
    if subnet is None:
        raise LedgerRefusal(
            f"{command.address} is in no subnet of scope {command.scope!r}, so nobody could be given it",
            code="no_subnet",
            field="address",
            hint="create the subnet first: patchbay subnet create NAME PREFIX --wire WIRE",
        )
    whole = default_ranges(subnet.prefix, None)
    reason = why_not_allocatable(subnet.prefix, whole, subnet.gateway, parse_address(command.address))
    if reason is not None:
        raise LedgerRefusal(
            f"{command.address} can't be bound in subnet {subnet.name!r}: {reason}",
            code="address_not_allocatable",
            field="address",
        )
    return subnet


async def _refuse_other_words(
    conn: Connection, scope: UUID, subnet: Subnet, command: AddressBind, known: ReservedAddress | None
) -> None:
    """What was said of the address, or given to the MAC, before."""
    if known is not None and known.mac != command.mac:
        refuse_bound([known], f"bound to {command.mac}")
        raise LedgerRefusal(
            f"{command.address} is reserved" + (f" ({known.note})" if known.note else ""),
            code="address_reserved",
            field="address",
            hint=f"release it first: patchbay address release {command.address}",
        )
    for other in await reserving.bound_to(conn, command.mac, scope):
        if other.address != command.address and parse_address(other.address) in subnet.prefix:
            raise LedgerRefusal(
                f"{command.mac} is bound to {other.address} of subnet {subnet.name!r} already; "
                f"a port gets one address of a subnet",
                code="mac_bound",
                field="mac",
                hint=f"undo that first: patchbay address unbind {other.address}",
            )


def _bound(command: AddressBind, subnet: Subnet, *, changed: bool) -> dict[str, Any]:
    return {
        "scope": command.scope,
        "address": command.address,
        "mac": command.mac,
        "subnet": str(subnet.id),
        "subnet_name": subnet.name,
        "changed": changed,
    }


COMMANDS: Commands = {AddressBind: bind, AddressUnbind: unbind}

"""Operators' decisions made again from the events that tell of them: what a rebuild from the log plays.

A command is never carried out a second time: it might be refused now, or find another address. Its outcome
event says what held afterwards, and that is written. Facts may have come to the log before a decision that
was made without them; so a decision is applied whatever is there, and what it touches is settled anew.

Each event of a decision has one entry in `APPLIERS`. Applied again, or after something newer, it changes
nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from types import MappingProxyType
from typing import Any
from uuid import UUID

from services.allocator import decided_addresses
from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.fix_rows import apply_fixes
from services.allocator.locking import lock_writes
from services.allocator.settling import Policy, settle
from services.allocator.sharing import apply_sharing
from services.allocator.subnet_commands import MATCHED_BY, affected
from services.allocator.wire_mapping import apply_mapping
from shared.events.address_sharing import AddressShared, AddressUnshared
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.subnet import (
    SubnetCreated,
    SubnetDeleted,
    SubnetFacts,
    SubnetUpdated,
    SubnetWireAttached,
    SubnetWireDetached,
)
from shared.events.vm_nics import VmNicsFixed, VmNicsUnfixed
from shared.events.wire_decisions import WireMappingChanged
from shared.ipam import subnets as ledger
from shared.ipam.subnets import CHANGEABLE, Subnet
from shared.ipam.wires import AdditionalRole
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool, transaction

Applier = Callable[[Connection, Envelope[Any]], Awaitable[Dirty]]
"""Writes a decision and returns what has to be looked at again.

Raises `PermanentError` for a decision that can't hold here, such as one about a subnet that is not there.
"""


async def decide_again(pool: Pool, envelope: Envelope[Any], policy: Policy) -> None:
    """Make the decision that `envelope` tells of hold, in one transaction. Raises `PermanentError`."""
    async with transaction(pool) as conn:
        await lock_writes(conn)
        out = Announcements()
        dirty = await APPLIERS[type(envelope.data)](conn, envelope)
        await settle(conn, dirty, Occasion([envelope]), out, policy)
        await out.send(conn)


async def look_again(pool: Pool, addresses: Collection[str], cause: Envelope[Any], policy: Policy) -> None:
    """Settle `addresses`, that changed hands outside the allocator, in one transaction."""
    async with transaction(pool) as conn:
        await lock_writes(conn)
        out = Announcements()
        await settle(conn, Dirty(addresses=set(addresses)), Occasion([cause]), out, policy)
        await out.send(conn)


async def weigh_again(pool: Pool, cause: Envelope[Any], policy: Policy) -> None:
    """Weigh all that detected wires rest on, as happens whenever a vCenter's time has gone on."""
    async with transaction(pool) as conn:
        await lock_writes(conn)
        out = Announcements()
        vcenters = {row["id"] for row in await conn.fetch("SELECT id FROM inventory.vcenter")}
        await settle(conn, Dirty(vcenters=vcenters), Occasion([cause]), out, policy)
        await out.send(conn)


async def _created(conn: Connection, envelope: Envelope[SubnetCreated]) -> Dirty:
    facts = envelope.data.subnet
    if await ledger.get(conn, facts.id) is not None:
        return Dirty()
    subnet = await ledger.create_subnet(conn, facts, envelope.time)
    return await affected(conn, subnet, envelope)


async def _updated(conn: Connection, envelope: Envelope[SubnetUpdated]) -> Dirty:
    facts = envelope.data.subnet
    known = await _known(conn, facts.id)
    if known.revision >= facts.revision:
        return Dirty()
    before = await affected(conn, known, envelope)
    changes = {name: getattr(facts, name) for name in CHANGEABLE}
    await ledger.update_subnet(conn, facts.id, changes, envelope.time, whoever_holds=True)
    await _same_revision(conn, facts)
    after = await _known(conn, facts.id)
    if any(getattr(known, name) != getattr(after, name) for name in MATCHED_BY):
        before.add(await affected(conn, after, envelope))
        return before
    return Dirty()


async def _deleted(conn: Connection, envelope: Envelope[SubnetDeleted]) -> Dirty:
    subnet = await ledger.get(conn, envelope.data.subnet.id)
    if subnet is None:
        return Dirty()
    recorded = await conn.fetch(
        "SELECT DISTINCT host(address) FROM inventory.nic_address WHERE subnet_id = $1", subnet.id
    )
    # Nobody used it when it was deleted. Whoever seems to now was seen before that, and heard of after it.
    await ledger.delete_subnet(conn, subnet.id, whoever_holds=True)
    await conn.execute("DELETE FROM inventory.statement WHERE subnet_id = $1", subnet.id)
    dirty = await affected(conn, subnet, envelope)
    dirty.addresses |= {row[0] for row in recorded}
    return dirty


async def _attached(conn: Connection, envelope: Envelope[SubnetWireAttached]) -> Dirty:
    if envelope.data.how == "detected":
        return Dirty()  # that follows from the facts
    return await _set_wire(conn, envelope, "pinned")


async def _detached(conn: Connection, envelope: Envelope[SubnetWireDetached]) -> Dirty:
    how = envelope.data.how
    if how == "evidence_ended":
        return Dirty()  # that follows from the facts
    return await _set_wire(conn, envelope, "denied" if how == "denied" else None)


async def _set_wire(
    conn: Connection,
    envelope: Envelope[SubnetWireAttached] | Envelope[SubnetWireDetached],
    role: AdditionalRole | None,
) -> Dirty:
    fact = envelope.data
    known = await _known(conn, fact.subnet)
    await ledger.set_wire(conn, fact.subnet, fact.wire, role, envelope.time, by=fact.by)
    return await affected(conn, known, envelope, [fact.wire])


async def _known(conn: Connection, subnet: UUID) -> Subnet:
    found = await ledger.get(conn, subnet)
    if found is None:
        raise PermanentError(f"there is no subnet {subnet}", code="subnet_unknown")
    return found


async def _same_revision(conn: Connection, facts: SubnetFacts) -> None:
    await conn.execute("UPDATE ipam.subnet SET revision = $2 WHERE id = $1", facts.id, facts.revision)


APPLIERS: MappingProxyType[type[Event], Applier] = MappingProxyType(
    {
        SubnetCreated: _created,
        SubnetUpdated: _updated,
        SubnetDeleted: _deleted,
        SubnetWireAttached: _attached,
        SubnetWireDetached: _detached,
        WireMappingChanged: apply_mapping,
        **decided_addresses.APPLIERS,
        AddressShared: apply_sharing,
        AddressUnshared: apply_sharing,
        VmNicsFixed: apply_fixes,
        VmNicsUnfixed: apply_fixes,
    }
)
"""What writes each decision, by the event that tells of it."""

"""Decisions on subnets' shapes and on single addresses, made again from the events that tell of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.allocator.address_commands import give_back
from services.allocator.batch import Dirty
from services.allocator.reshaping_commands import replace, within
from services.allocator.views import read_subnets
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.reserved import AddressBound, AddressReserved, AddressUnbound, AddressUnreserved
from shared.events.subnet import SubnetFacts
from shared.events.subnet_changes import AdditionalWire, SubnetMerged, SubnetMoved, SubnetSplitUp
from shared.ipam import reserving
from shared.ipam.domain import Interval
from shared.ipam.domain.reshaping import Use
from shared.ipam.scopes import ensure_scope
from shared.ipam.subnets import list_subnets
from shared.model.addresses import parse_address
from shared.store.pool import Connection


async def _split(conn: Connection, envelope: Envelope[SubnetSplitUp]) -> Dirty:
    fact = envelope.data
    return await _replaced(conn, envelope, [fact.before], [fact.subnet, *fact.parts], fact.wires)


async def _merged(conn: Connection, envelope: Envelope[SubnetMerged]) -> Dirty:
    fact = envelope.data
    return await _replaced(conn, envelope, [fact.before, *fact.merged], [fact.subnet], fact.wires)


async def _moved(conn: Connection, envelope: Envelope[SubnetMoved]) -> Dirty:
    fact = envelope.data
    return await _replaced(conn, envelope, [fact.before], [fact.subnet], fact.wires)


async def _replaced(
    conn: Connection,
    envelope: Envelope[Any],
    before: Sequence[SubnetFacts],
    after: Sequence[SubnetFacts],
    wires: Sequence[AdditionalWire],
) -> Dirty:
    known = {subnet.id: subnet for subnet in await list_subnets(conn, ids=[one.id for one in before])}
    kept = known.get(after[0].id)
    if kept is None or kept.revision >= after[0].revision:
        return Dirty()  # applied before, or something newer is there
    dirty = Dirty(former=await read_subnets(conn, known))
    for subnet in known.values():
        dirty.add(await within(conn, subnet, envelope))
    roles = {use.wire: Use(use.role, use.since, use.by) for use in wires}
    old = [known[one.id] for one in before if one.id in known]
    made = await replace(
        conn, old, after, {one.id: roles for one in after}, envelope.time, whoever_holds=True
    )
    for facts in after:
        await conn.execute("UPDATE ipam.subnet SET revision = $2 WHERE id = $1", facts.id, facts.revision)
    for subnet in made:
        dirty.add(await within(conn, subnet, envelope))
    return dirty


async def _reserved(conn: Connection, envelope: Envelope[AddressReserved]) -> Dirty:
    fact = envelope.data
    scope = await ensure_scope(conn, fact.scope)
    addresses = _addresses(fact.first, fact.last)
    await reserving.reserve(conn, scope, addresses, envelope.time, fact.note, until=fact.until, by=fact.by)
    return await _stated(conn, scope, envelope, addresses, note=fact.note, until=fact.until, by=fact.by)


async def _unreserved(conn: Connection, envelope: Envelope[AddressUnreserved]) -> Dirty:
    fact = envelope.data
    scope = await ensure_scope(conn, fact.scope)
    known = await reserving.reserved_in(conn, scope, fact.first, fact.last)
    return await give_back(conn, scope, [one for one in known if one.mac is None], envelope.time)


async def _bound(conn: Connection, envelope: Envelope[AddressBound]) -> Dirty:
    fact = envelope.data
    scope = await ensure_scope(conn, fact.scope)
    await reserving.reserve(conn, scope, [fact.address], envelope.time, fact.note, by=fact.by, mac=fact.mac)
    return await _stated(conn, scope, envelope, [fact.address], note=fact.note, by=fact.by, mac=fact.mac)


async def _unbound(conn: Connection, envelope: Envelope[AddressUnbound]) -> Dirty:
    fact = envelope.data
    scope = await ensure_scope(conn, fact.scope)
    known = await reserving.reserved_in(conn, scope, fact.address, fact.address)
    return await give_back(conn, scope, [one for one in known if one.mac == fact.mac], envelope.time)


async def _stated(
    conn: Connection, scope: UUID, envelope: Envelope[Any], addresses: Sequence[str], **said: Any
) -> Dirty:
    """Say it also of addresses that somebody seems to have, who was heard of later and loses them."""
    held = await reserving.holds_reserved(conn, scope, addresses)
    await reserving.state(conn, scope, list(held), envelope.time, **said)
    return Dirty(addresses=set(held) if "mac" not in said else set(addresses))


def _addresses(first: str, last: str) -> list[str]:
    interval = Interval.between(parse_address(first), parse_address(last))
    return [str(interval.address(number)) for number in range(interval.first, interval.last + 1)]


APPLIERS: Mapping[type[Event], Callable[[Connection, Envelope[Any]], Awaitable[Dirty]]] = {
    SubnetSplitUp: _split,
    SubnetMerged: _merged,
    SubnetMoved: _moved,
    AddressReserved: _reserved,
    AddressUnreserved: _unreserved,
    AddressBound: _bound,
    AddressUnbound: _unbound,
}
"""What writes each decision, by the event that tells of it."""

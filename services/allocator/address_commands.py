"""Operators' commands about addresses that nobody is to have: reserved, and released."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.finding import near_miss
from services.allocator.in_use import refuse_held
from services.allocator.settling import Policy, settle
from shared.events.address_commands import AddressRelease, AddressReserve
from shared.events.envelope import Envelope
from shared.events.reserved import AddressReserved, AddressUnreserved
from shared.events.subnet import AddressRange
from shared.ipam import reserving
from shared.ipam.domain import Interval, merge
from shared.ipam.domain import size as size_of
from shared.ipam.errors import LedgerRefusal
from shared.ipam.reserving import ReservedAddress
from shared.ipam.scopes import list_scopes
from shared.ipam.subnets import subnets_of_addresses
from shared.model.addresses import parse_address
from shared.model.identifiers import scope_id
from shared.store.pool import Connection

MOST = 65_536
"""Addresses reserved by one command: each is a row, and whoever wants more means a range of the subnet."""
NAMED = 10


async def reserve(
    conn: Connection, envelope: Envelope[Any], command: AddressReserve, out: Announcements, _: Policy
) -> dict[str, Any]:
    """Keep the addresses out of use. Raises `LedgerRefusal` with who has them, if anybody has."""
    scope = await known_scope(conn, command.scope)
    intervals = _intervals(command.ranges)
    if command.until is not None and command.until <= envelope.time:
        raise LedgerRefusal(
            f"{command.until:%Y-%m-%d %H:%M:%S %Z} is over; a reservation ends in the future, or never",
            code="until_past",
            field="until",
        )
    if size_of(intervals) > MOST:
        raise LedgerRefusal(
            f"{spans(intervals)} are {size_of(intervals)} addresses; at most {MOST} are reserved at once",
            code="range_too_large",
            field="ranges",
            hint="leave them out of the subnet's ranges instead: patchbay subnet update SUBNET --range …",
        )
    addresses = [str(i.address(n)) for i in intervals for n in range(i.first, i.last + 1)]
    known = await _reserved(conn, scope, intervals)
    refuse_bound(known, "reserved for nobody")
    await refuse_held(conn, command.scope, await reserving.holds_reserved(conn, scope, addresses), "reserved")
    same = [one for one in known if (one.note, one.until) == (command.note, command.until)]
    if len(same) < len(addresses):
        await reserving.reserve(
            conn, scope, addresses, envelope.time, command.note, until=command.until, by=command.by
        )
        for interval in intervals:
            first, last = interval.addresses()
            event = AddressReserved(
                scope=command.scope,
                first=str(first),
                last=str(last),
                subnet=await _subnet_of(conn, scope, interval),
                note=command.note,
                until=command.until,
                by=command.by,
            )
            out.add(event, scope, first, last, cause=envelope)
    return {"scope": command.scope, "reserved": len(addresses), "changed": len(addresses) - len(same)}


async def release(
    conn: Connection, envelope: Envelope[Any], command: AddressRelease, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Give reserved addresses back; of a range, those that are reserved."""
    scope = await known_scope(conn, command.scope)
    intervals = _intervals(command.ranges)
    known = await _reserved(conn, scope, intervals)
    refuse_bound(known, "released")
    if not known:
        raise LedgerRefusal(
            f"nothing of {spans(intervals)} is reserved in scope {command.scope!r}",
            code="address_not_reserved",
            field="ranges",
            hint="list what is: patchbay address list",
        )
    dirty = await give_back(conn, scope, known, envelope.time)
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    for interval in _as_intervals(known):
        first, last = interval.addresses()
        event = AddressUnreserved(
            scope=command.scope,
            first=str(first),
            last=str(last),
            subnet=await _subnet_of(conn, scope, interval),
            why="released",
            by=command.by,
        )
        out.add(event, scope, first, last, cause=envelope)
    return {"scope": command.scope, "released": len(known)}


async def give_back(conn: Connection, scope: UUID, known: Sequence[ReservedAddress], at: datetime) -> Dirty:
    """Take back what operators said of these addresses; what is to be looked at again then."""
    addresses = [one.address for one in known]
    await reserving.unreserve(conn, scope, addresses, at)
    rows = await conn.fetch(
        """
        SELECT DISTINCT host(address) FROM inventory.sighting WHERE address = ANY ($1::text[]::inet[])
        UNION SELECT host(address) FROM inventory.statement WHERE address = ANY ($1::text[]::inet[])
        """,
        addresses,
    )
    return Dirty(addresses={row[0] for row in rows})


async def known_scope(conn: Connection, name: str) -> UUID:
    """The id of the scope called `name`.

    Raises `LedgerRefusal` scope_unknown, with what was perhaps meant.
    """
    scopes = await list_scopes(conn)
    identity = scope_id(name)
    if identity not in scopes:
        names = sorted(scopes.values())
        raise LedgerRefusal(
            f"there is no scope {name!r}{near_miss(name, names)}",
            code="scope_unknown",
            field="scope",
            hint=f"there are {', '.join(names)}; a new one begins with its first subnet or vCenter",
        )
    return identity


def spans(intervals: Iterable[Interval]) -> str:
    """Ranges as people write them."""
    ends = (interval.addresses() for interval in intervals)
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)


def as_intervals(addresses: Iterable[str]) -> list[Interval]:
    """Addresses as maximal ranges, in order."""
    return merge(Interval.between(a, a) for a in map(parse_address, addresses))


def _as_intervals(known: Iterable[ReservedAddress]) -> list[Interval]:
    return as_intervals(one.address for one in known)


def _intervals(ranges: Iterable[AddressRange]) -> list[Interval]:
    found = []
    for stated in ranges:
        first, last = parse_address(stated.first), parse_address(stated.last)
        if first.version != last.version:
            raise LedgerRefusal(
                f"{first}-{last} begins in one family and ends in the other",
                code="mixed_families",
                field="ranges",
            )
        if int(first) > int(last):
            raise LedgerRefusal(
                f"the range {first}-{last} is upside down; write {last}-{first}",
                code="range_upside_down",
                field="ranges",
            )
        found.append(Interval.between(first, last))
    return merge(found)


async def _reserved(conn: Connection, scope: UUID, intervals: Iterable[Interval]) -> list[ReservedAddress]:
    found: list[ReservedAddress] = []
    for interval in intervals:
        first, last = interval.addresses()
        found += await reserving.reserved_in(conn, scope, str(first), str(last))
    return found


def refuse_bound(known: Sequence[ReservedAddress], what: str) -> None:
    """Raise `LedgerRefusal` address_bound when one of `known` is kept for a MAC."""
    bound = [one for one in known if one.mac is not None]
    if bound:
        listed = ", ".join(f"{one.address} to {one.mac}" for one in bound[:NAMED])
        more = f" and {len(bound) - NAMED} more" if len(bound) > NAMED else ""
        raise LedgerRefusal(
            f"bound addresses can't be {what}: {listed}{more}",
            code="address_bound",
            field="ranges",
            hint=f"undo the binding first: patchbay address unbind {bound[0].address}",
        )


async def _subnet_of(conn: Connection, scope: UUID, interval: Interval) -> UUID | None:
    """The subnet that contains all of `interval`, if one does."""
    first, last = map(str, interval.addresses())
    found = await subnets_of_addresses(conn, scope, [first, last])
    one, other = found.get(first), found.get(last)
    return one.id if one is not None and other is not None and one.id == other.id else None


COMMANDS: Commands = {AddressReserve: reserve, AddressRelease: release}

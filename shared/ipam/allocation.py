"""The next free addresses of a subnet: nobody else gets them, however many ask at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ipam import address_rows
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import Held, Holder, Interval, choose, probe, why_not_allocatable
from shared.ipam.domain.choice import at_share
from shared.ipam.errors import LedgerRefusal
from shared.ipam.subnet_rows import Subnet, get
from shared.ipam.use import utilisation
from shared.model.addresses import parse_address
from shared.runtime.errors import ConflictError

RECLAIMED_AT_ONCE = 1000
"""Rested addresses that one allocation takes back at most, beyond what it needs itself."""

_BOUND = """
FROM ipam.reserved_address k JOIN ipam.address a USING (scope_id, address)
WHERE k.mac = $1::text::macaddr AND a.holder_kind = 'reserved'
"""

Draw = Callable[[], float]
_system_draw = random.SystemRandom().random


@dataclass(frozen=True, slots=True)
class _Wish:
    subnet: UUID
    count: int
    holder: Holder
    since: datetime
    now: datetime
    until: datetime | None
    mac: str | None = None


async def allocate(
    conn: Connection,
    subnet: UUID,
    count: int,
    holder: Holder,
    since: datetime,
    *,
    now: datetime,
    wanted: str | None = None,
    until: datetime | None = None,
    mac: str | None = None,
    draw: Draw = _system_draw,
) -> list[str]:
    """Give `holder` the next `count` free addresses of `subnet` in the subnet's order, or the `wanted` one.

    Addresses that have rested by `now` are free again. All or nothing. The subnet is locked until the
    transaction ends, so that callers queue and never collide. `until` is stored with the rows: the end of
    a reservation. `draw` gives numbers from 0 up to 1 for subnets with random order. A `wanted` address
    that is the holder's already is given again. `mac`: whose port it is for; the address of the subnet that
    is bound to it is given before any other, and to nobody else.

    Raises `LedgerRefusal` subnet_unknown, subnet_full (`details`: capacity, used, by_kind, free, asked),
    address_taken (`details`: holder), address_not_allocatable.
    """
    require_transaction(conn)
    if count < 1 or (wanted is not None and count != 1):
        raise ValueError(f"allocate hands out 1 or more addresses, or the one wanted; asked for {count}")
    wish = _Wish(subnet, count, holder, since, now, until, mac)
    row = await conn.fetchrow(
        "SELECT scope_id, allocation_order FROM ipam.open_for_allocation($1, $2, $3)",
        subnet,
        now,
        count + RECLAIMED_AT_ONCE,
    )
    if row is None:
        raise LedgerRefusal(f"there is no subnet {subnet}", code="subnet_unknown")
    if wanted is None and count == 1 and mac is not None:
        wanted = await _bound(conn, wish)
    if wanted is not None:
        return [await _take_wanted(conn, wish, row["scope_id"], str(parse_address(wanted)))]
    if row["allocation_order"] == "random":
        return await _take_random(conn, wish, row["scope_id"], draw)
    return await _take_next(conn, wish, row["scope_id"], row["allocation_order"])


async def _take_next(conn: Connection, wish: _Wish, scope: UUID, order: str) -> list[str]:
    direction = "DESC" if order == "highest" else "ASC"
    rows = await conn.fetch(
        f"SELECT first, last FROM ipam.free_interval WHERE subnet_id = $1 ORDER BY last {direction} LIMIT $2",  # noqa: S608  one of two constants
        wish.subnet,
        wish.count,
    )
    intervals = [Interval.between(row["first"], row["last"]) for row in rows]
    numbers = choose("highest" if order == "highest" else "lowest", intervals, wish.count)
    fresh = [str(intervals[0].address(number)) for number in numbers]
    rested: list[str] = []
    if len(fresh) < wish.count and order == "longest_unused":
        rested = await _longest_rested(conn, wish, wish.count - len(fresh))
    if len(fresh) + len(rested) < wish.count:
        raise await _full(conn, wish)
    await _insert(conn, wish, scope, fresh)
    await address_rows.write(conn, scope, updates=[_row(wish, scope, address) for address in rested])
    return fresh + rested


async def _longest_rested(conn: Connection, wish: _Wish, count: int) -> list[str]:
    rows = await conn.fetch(
        """
        SELECT address FROM ipam.address
        WHERE subnet_id = $1 AND holder_kind = 'cooling' AND until <= $2
          AND ipam.may_be_allocated(subnet_id, address)
        ORDER BY until, address LIMIT $3
        """,
        wish.subnet,
        wish.now,
        count,
    )
    return [str(row["address"]) for row in rows]


async def _take_random(conn: Connection, wish: _Wish, scope: UUID, draw: Draw) -> list[str]:
    rows = await conn.fetch("SELECT first, last FROM ipam.subnet_range WHERE subnet_id = $1", wish.subnet)
    ranges = [Interval.between(row["first"], row["last"]) for row in rows]
    taken: list[str] = []
    while len(taken) < wish.count:
        aim = probe(ranges, draw())
        interval = await _free_from(conn, wish.subnet, ranges[0].address(aim))
        if interval is None:
            # Nothing of the refused wish may stay behind, should the caller go on in its transaction.
            await address_rows.write(conn, scope, deletes=taken)
            raise await _full(conn, wish)
        hit = interval.first <= aim <= interval.last
        address = str(interval.address(aim if hit else at_share(interval, draw())))
        await _insert(conn, wish, scope, [address])
        taken.append(address)
    return taken


async def _free_from(conn: Connection, subnet: UUID, aim: object) -> Interval | None:
    """The free interval that holds `aim`, else the next one above, else the lowest."""
    row = await conn.fetchrow(
        """
        (SELECT 0 AS turn, first, last FROM ipam.free_interval
         WHERE subnet_id = $1 AND last >= $2::inet ORDER BY last LIMIT 1)
        UNION ALL
        (SELECT 1, first, last FROM ipam.free_interval WHERE subnet_id = $1 ORDER BY last LIMIT 1)
        ORDER BY turn LIMIT 1
        """,
        subnet,
        aim,
    )
    return None if row is None else Interval.between(row["first"], row["last"])


async def _take_wanted(conn: Connection, wish: _Wish, scope: UUID, address: str) -> str:
    subnet = await _known(conn, wish.subnet)
    if await _is_bound(conn, wish, scope, address):
        await address_rows.write(conn, scope, updates=[_row(wish, scope, address)])
        return address
    reason = why_not_allocatable(subnet.prefix, subnet.ranges, subnet.gateway, parse_address(address))
    if reason is not None:
        raise LedgerRefusal(
            f"{address} is not for handing out in subnet {subnet.name!r}: {reason}",
            code="address_not_allocatable",
            details={"address": address, "subnet": str(subnet.id)},
        )
    _, held = await address_rows.examine(conn, scope, [address])
    current = held.get(address)
    if current is None:
        await _insert(conn, wish, scope, [address])
    elif current.holder.kind == "cooling" and current.until is not None and current.until <= wish.now:
        await address_rows.write(conn, scope, updates=[_row(wish, scope, address)])
    elif current.holder != wish.holder:
        raise _taken(subnet, current)
    return address


async def _bound(conn: Connection, wish: _Wish) -> str | None:
    """The lowest address of the subnet that is bound to the wish's MAC and has no holder."""
    found: str | None = await conn.fetchval(
        f"SELECT host(k.address) {_BOUND} AND a.subnet_id = $2 ORDER BY k.address LIMIT 1",
        *(wish.mac, wish.subnet),
    )
    return found


async def _is_bound(conn: Connection, wish: _Wish, scope: UUID, address: str) -> bool:
    """Whether `address` is bound to the wish's MAC and has no holder. It may be outside the ranges."""
    return wish.mac is not None and bool(
        await conn.fetchval(
            f"SELECT EXISTS (SELECT {_BOUND} AND a.scope_id = $2 AND a.address = $3::text::inet)",
            *(wish.mac, scope, address),
        )
    )


def _taken(subnet: Subnet, current: Held) -> LedgerRefusal:
    kind, until = current.holder.kind, current.until
    why = f"rests until {until:%Y-%m-%d %H:%M:%S %Z}" if kind == "cooling" else f"is held by a {kind}"
    return LedgerRefusal(
        f"{current.address} of subnet {subnet.name!r} {why}",
        code="address_taken",
        details={"address": current.address, "holder": {"kind": kind, "id": str(current.holder.id)}},
    )


async def _full(conn: Connection, wish: _Wish) -> LedgerRefusal:
    subnet = await _known(conn, wish.subnet)
    use = (await utilisation(conn, [subnet.id], now=wish.now))[subnet.id]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(use.by_kind.items()))
    return LedgerRefusal(
        f"subnet {subnet.name!r} ({subnet.prefix}) has {use.free} free addresses of {use.capacity}, "
        f"{wish.count} asked for; in the ledger: {kinds or 'nothing'}",
        code="subnet_full",
        hint="widen its ranges, shorten its cool-down, or name another subnet",
        details={
            "subnet": str(subnet.id),
            "asked": wish.count,
            "capacity": use.capacity,
            "used": use.used,
            "free": use.free,
            "by_kind": use.by_kind,
        },
    )


async def _known(conn: Connection, subnet: UUID) -> Subnet:
    known = await get(conn, subnet)
    if known is None:
        raise LedgerRefusal(f"there is no subnet {subnet}", code="subnet_unknown")
    return known


async def _insert(conn: Connection, wish: _Wish, scope: UUID, addresses: list[str]) -> None:
    rows = [_row(wish, scope, address) for address in addresses]
    if not await address_rows.write(conn, scope, rows):
        raise ConflictError(f"an address of subnet {wish.subnet} was taken past its lock")


def _row(wish: _Wish, scope: UUID, address: str) -> Held:
    return Held(scope, address, wish.holder, wish.subnet, wish.since, wish.until)

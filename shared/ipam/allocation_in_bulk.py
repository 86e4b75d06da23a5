"""The next free address for each of many holders, of many subnets, in a handful of statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.ipam import address_rows
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import Held, Holder, Interval, choose
from shared.ipam.locks import lock_subnets
from shared.runtime.errors import ConflictError

RECLAIMED_AT_ONCE = 1000
"""Rested addresses that are taken back of each subnet at most, beyond what is needed."""

_OPEN = """
SELECT s.id, s.scope_id, ipam.reclaim(s.id, $2, $3) FROM ipam.subnet s
WHERE s.id = ANY ($1::uuid[]) AND s.allocation_order = 'lowest' ORDER BY s.id
"""
_FREE = """
SELECT k.id, f.first, f.last FROM unnest($1::uuid[], $2::integer[]) AS k (id, count)
CROSS JOIN LATERAL (
    SELECT i.first, i.last FROM ipam.free_interval i
    WHERE i.subnet_id = k.id ORDER BY i.last LIMIT k.count
) f
ORDER BY k.id, f.last
"""


class Wish(NamedTuple):
    """Whoever wants any address of a subnet, until when."""

    subnet: UUID
    holder: Holder
    until: datetime | None = None


async def allocate_each(
    conn: Connection, wishes: Sequence[Wish], since: datetime, *, now: datetime
) -> list[str | None]:
    """An address for each wish, earlier ones first; as `allocate` gives them to one, lowest first.

    None where the subnet is unknown, has another order or too few addresses: ask `allocate` for that one, to
    be told why. Subnets are locked until the transaction ends.
    """
    require_transaction(conn)
    wanted = Counter(wish.subnet for wish in wishes)
    await lock_subnets(conn, sorted(wanted))
    opened = await conn.fetch(_OPEN, list(wanted), now, RECLAIMED_AT_ONCE + len(wishes))
    scopes: dict[UUID, UUID] = {row["id"]: row["scope_id"] for row in opened}
    rows = await conn.fetch(_FREE, list(scopes), [wanted[subnet] for subnet in scopes])
    next_free = {subnet: iter(_lowest(found, wanted[subnet])) for subnet, found in _by_subnet(rows).items()}
    given = [next(next_free.get(wish.subnet, iter(())), None) for wish in wishes]
    for scope in sorted(set(scopes.values())):
        taken = [
            Held(scope, address, wish.holder, wish.subnet, since, wish.until)
            for wish, address in zip(wishes, given, strict=True)
            if address is not None and scopes[wish.subnet] == scope
        ]
        if not await address_rows.write(conn, scope, taken):
            raise ConflictError("an address was taken past its subnet's lock")
    return given


def _by_subnet(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    return found


def _lowest(rows: Sequence[Any], count: int) -> list[str]:
    intervals = [Interval.between(row["first"], row["last"]) for row in rows]
    return [str(intervals[0].address(number)) for number in choose("lowest", intervals, count)]

"""How full subnets are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ipam.connection import Connection
from shared.ipam.domain import Interval, subtract
from shared.ipam.domain import size as size_of


@dataclass(frozen=True, slots=True)
class Use:
    """`capacity`: addresses that may be allocated; `free` of those nobody holds and none cools down.

    `by_kind` counts the ledger's rows in the subnet by the kind of holder, wherever in the prefix they are;
    so `capacity - free` may be less than their sum.
    """

    capacity: int
    free: int
    by_kind: dict[str, int]

    @property
    def used(self) -> int:
        """Addresses that may be allocated, but are not free."""
        return self.capacity - self.free


async def utilisation(
    conn: Connection, subnets: Iterable[UUID], *, now: datetime | None = None
) -> dict[UUID, Use]:
    """The use of each of `subnets`. With `now`, what has cooled down by then counts as free."""
    rows = await conn.fetch(
        """
        SELECT s.id, s.gateway,
               ARRAY(SELECT first FROM ipam.subnet_range r WHERE r.subnet_id = s.id ORDER BY first) AS firsts,
               ARRAY(SELECT last FROM ipam.subnet_range r WHERE r.subnet_id = s.id ORDER BY first) AS lasts,
               u.kind, u.held, u.allocatable
        FROM ipam.subnet s
        LEFT JOIN LATERAL (
            SELECT a.holder_kind AS kind, count(*) AS held,
                   count(*) FILTER (WHERE r.subnet_id IS NOT NULL AND a.address IS DISTINCT FROM s.gateway)
                       AS allocatable
            FROM ipam.address a
            LEFT JOIN ipam.subnet_range r
                ON r.subnet_id = s.id AND a.address BETWEEN r.first AND r.last
            WHERE a.subnet_id = s.id
              AND NOT (a.holder_kind = 'cooling' AND $2::timestamptz IS NOT NULL AND a.until <= $2)
            GROUP BY a.holder_kind
        ) u ON true
        WHERE s.id = ANY ($1::uuid[])
        """,
        list(subnets),
        now,
    )
    capacity: dict[UUID, int] = {}
    held: dict[UUID, Counter[str]] = {}
    taken: Counter[UUID] = Counter()
    for row in rows:
        ranges = list(map(Interval.between, row["firsts"], row["lasts"]))
        gateway = [] if row["gateway"] is None else [Interval.between(row["gateway"], row["gateway"])]
        capacity[row["id"]] = size_of(subtract(ranges, gateway))
        kinds = held.setdefault(row["id"], Counter())
        if row["kind"] is not None:
            kinds[row["kind"]] += row["held"]
            taken[row["id"]] += row["allocatable"]
    return {
        subnet: Use(capacity[subnet], capacity[subnet] - taken[subnet], dict(kinds))
        for subnet, kinds in held.items()
    }

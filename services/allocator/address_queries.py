"""Addresses one by one: of a subnet, page by page, and what operators reserved. Read-only.

Free addresses come as intervals, so that a page of an IPv6 /64 costs as much as one of a /24.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.allocator.finding import find_subnet
from shared.events.subnet import SubnetFacts
from shared.ipam.subnets import Subnet, utilisation
from shared.ipam.use import Use
from shared.model.addresses import IPAddress, parse_address
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection, Pool

State = Literal[
    "free",
    "nic",
    "sighting",
    "reservation",
    "reserved",
    "bound",
    "cooling",
    "gateway",
    "network",
    "broadcast",
]
"""What is with an address. "sighting": a VM is seen with it and has no record for it; "nic": it has."""


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address, or free ones in a row: `first` to `last`, `count` of them. `until`: when its state ends."""

    first: str
    last: str
    count: int
    state: State
    holder: UUID | None = None
    vm: str | None = None
    mac: str | None = None
    note: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AddressPage:
    """Part of a subnet's addresses, in order. `next`: list what is after this one; None at the end."""

    subnet: SubnetFacts
    use: Use
    rows: tuple[AddressRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ReservedRow:
    """Addresses in a row of which operators said the same. `mac`: whose they are.

    `in_use`: by that port now.
    """

    scope: str
    first: str
    last: str
    count: int
    subnet: str | None
    mac: str | None
    note: str | None
    by: str | None
    since: datetime
    until: datetime | None
    in_use: str | None


async def list_addresses(
    pool: Pool,
    named: str,
    *,
    scope: str = DEFAULT_SCOPE_NAME,
    which: Literal["all", "free", "used"] = "all",
    after: str | None = None,
    limit: int = 100,
    now: datetime,
) -> AddressPage:
    """The next `limit` rows of the subnet's addresses after `after`. What has rested by `now` is free.

    Raises `PermanentError` subnet_unknown.
    """
    async with pool.acquire() as conn:
        subnet = await find_subnet(conn, named, scope)
        start = subnet.prefix.network_address if after is None else parse_address(after)
        strictly = after is not None
        rows: list[AddressRow] = []
        if which != "free":
            rows += await _held(conn, subnet, start, strictly, limit + 1)
            rows += [row for row in _special(subnet) if _after(row, start, strictly=strictly)]
        if which != "used":
            rows += await _free(conn, subnet, start, strictly, limit + 1)
            if which == "free":
                rows += await _rested(conn, subnet, start, strictly, limit + 1, now=now)
        use = (await utilisation(conn, [subnet.id], now=now))[subnet.id]
    known = _joined(_rested_as_free(rows, now, drop=which == "used"))
    page = known[:limit]
    return AddressPage(
        subnet.facts(), use, tuple(page), page[-1].last if len(known) > limit and page else None
    )


async def list_reserved(
    pool: Pool, *, scope: str | None = None, subnet: str | None = None, bound: bool | None = None
) -> list[ReservedRow]:
    """What operators reserved or bound, by scope and address; neighbours with the same words in one row.

    `bound`: only those bound to a MAC, or only those that are not. Raises `PermanentError` subnet_unknown.
    """
    async with pool.acquire() as conn:
        within = None if subnet is None else await find_subnet(conn, subnet, scope or DEFAULT_SCOPE_NAME)
        rows = await conn.fetch(
            """
            SELECT c.name AS scope, host(k.address) AS address, k.mac, k.note, k.by, k.since, k.until,
                   s.name AS subnet, n.vm_name AS in_use
            FROM ipam.reserved_address k
            JOIN ipam.scope c ON c.id = k.scope_id
            LEFT JOIN ipam.address a ON a.scope_id = k.scope_id AND a.address = k.address
            LEFT JOIN ipam.subnet s ON s.id = a.subnet_id
            LEFT JOIN inventory.nic n ON a.holder_kind = 'nic' AND n.id = a.holder_id
            WHERE ($1::uuid IS NULL OR k.scope_id = $1) AND ($2::cidr IS NULL OR k.address <<= $2)
              AND ($3::boolean IS NULL OR (k.mac IS NOT NULL) = $3)
            ORDER BY c.name, k.address
            """,
            None if scope is None else scope_id(scope),
            None if within is None else within.prefix,
            bound,
        )
    found: list[ReservedRow] = []
    for row in rows:
        values = dict(row)
        address = values.pop("address")
        one = ReservedRow(first=address, last=address, count=1, **values)
        if found and _continues(found[-1], one):
            found[-1] = replace(found[-1], last=address, count=found[-1].count + 1)
        else:
            found.append(one)
    return found


async def _held(
    conn: Connection, subnet: Subnet, start: IPAddress, strictly: bool, limit: int
) -> list[AddressRow]:
    rows = await conn.fetch(
        """
        SELECT host(a.address) AS address, a.holder_kind, a.holder_id, a.note, a.since, a.until,
               k.mac AS bound, n.vm_name, n.mac, u.vm_name AS seen, u.mac AS seen_mac
        FROM ipam.address a
        LEFT JOIN ipam.reserved_address k ON k.scope_id = a.scope_id AND k.address = a.address
        LEFT JOIN inventory.nic n ON a.holder_kind = 'nic' AND n.id = a.holder_id
        LEFT JOIN LATERAL (
            SELECT coalesce(v.name, m.vm_moid) AS vm_name, p.mac FROM inventory.unmatched m
            LEFT JOIN inventory.vm v ON v.vcenter_id = m.vcenter_id AND v.moid = m.vm_moid
            LEFT JOIN inventory.port p ON p.id = m.port_id
            WHERE a.holder_kind = 'sighting' AND m.port_id = a.holder_id AND m.address = a.address LIMIT 1
        ) u ON true
        WHERE a.subnet_id = $1 AND (a.address > $2 OR (a.address = $2 AND NOT $3))
        ORDER BY a.address LIMIT $4
        """,
        *(subnet.id, start, strictly, limit),
    )
    return [
        AddressRow(
            first=row["address"],
            last=row["address"],
            count=1,
            state="bound" if row["holder_kind"] == "reserved" and row["bound"] else row["holder_kind"],
            holder=row["holder_id"],
            vm=row["vm_name"] or row["seen"],
            mac=row["bound"] or row["mac"] or row["seen_mac"],
            note=row["note"],
            since=row["since"],
            until=row["until"],
        )
        for row in rows
    ]


async def _free(
    conn: Connection, subnet: Subnet, start: IPAddress, strictly: bool, limit: int
) -> list[AddressRow]:
    low = start + 1 if strictly and int(start) < int(subnet.prefix.broadcast_address) else start
    rows = await conn.fetch(
        """
        SELECT host(greatest(i.first, $2)) AS first, host(i.last) AS last FROM ipam.free_interval i
        WHERE i.subnet_id = $1 AND i.last >= $2 AND ($4 OR i.last > $5) ORDER BY i.last LIMIT $3
        """,
        *(subnet.id, low, limit, not strictly, start),
    )
    return [AddressRow(row["first"], row["last"], _size(row), "free") for row in rows]


async def _rested(
    conn: Connection, subnet: Subnet, start: IPAddress, strictly: bool, limit: int, *, now: datetime
) -> list[AddressRow]:
    rows = await conn.fetch(
        """
        SELECT host(a.address) AS address, a.until FROM ipam.address a
        WHERE a.subnet_id = $1 AND a.holder_kind = 'cooling' AND a.until <= $5
          AND (a.address > $2 OR (a.address = $2 AND NOT $3))
          AND ipam.may_be_allocated(a.subnet_id, a.address)
        ORDER BY a.address LIMIT $4
        """,
        *(subnet.id, start, strictly, limit, now),
    )
    return [AddressRow(r["address"], r["address"], 1, "cooling", until=r["until"]) for r in rows]


def _special(subnet: Subnet) -> list[AddressRow]:
    found: list[tuple[IPAddress, State]] = []
    if subnet.prefix.num_addresses > 2:
        found.append((subnet.prefix.network_address, "network"))
        if subnet.prefix.version == 4:
            found.append((subnet.prefix.broadcast_address, "broadcast"))
    if subnet.gateway is not None and subnet.gateway in subnet.prefix:
        found.append((subnet.gateway, "gateway"))
    return [AddressRow(str(address), str(address), 1, state) for address, state in found]


def _rested_as_free(rows: Iterable[AddressRow], now: datetime, *, drop: bool) -> list[AddressRow]:
    found = []
    for row in rows:
        if row.state == "cooling" and row.until is not None and row.until <= now:
            if not drop:
                found.append(AddressRow(row.first, row.last, 1, "free"))
        else:
            found.append(row)
    return found


def _joined(rows: Sequence[AddressRow]) -> list[AddressRow]:
    """In order; free ones that touch are one row, a special address that somebody holds shows the holder."""
    held = {row.first for row in rows if row.state not in ("gateway", "network", "broadcast")}
    found: list[AddressRow] = []
    for row in sorted(rows, key=lambda row: int(parse_address(row.first))):
        if row.state in ("gateway", "network", "broadcast") and row.first in held:
            continue
        before = found[-1] if found else None
        if before is not None and row.state == before.state == "free" and _touch(before.last, row.first):
            found[-1] = replace(before, last=row.last, count=before.count + row.count)
        else:
            found.append(row)
    return found


def _continues(before: ReservedRow, row: ReservedRow) -> bool:
    same = replace(row, first=before.first, last=before.last, count=before.count, since=before.since)
    return row.mac is None and same == before and _touch(before.last, row.first)


def _touch(one: str, other: str) -> bool:
    return int(parse_address(one)) + 1 == int(parse_address(other))


def _after(row: AddressRow, start: IPAddress, *, strictly: bool) -> bool:
    address = int(parse_address(row.first))
    return address > int(start) or (address == int(start) and not strictly)


def _size(row: Any) -> int:
    return int(parse_address(row["last"])) - int(parse_address(row["first"])) + 1

"""Addresses that operators reserve: for nobody, or for the port with a MAC address (a binding).

What operators say is kept apart from who holds the address: a port with the MAC takes the address over, and
when it lets go, the address is reserved again, neither free nor cooling down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from shared.ipam import address_rows
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import Claim, Held, Release, reserved_by
from shared.ipam.ledger import Occupied, Released, occupy, release


@dataclass(frozen=True, slots=True)
class ReservedAddress:
    """What an operator said of an address. `mac`: whose it is; None: nobody's. `until`: when that ends."""

    scope_id: UUID
    address: str
    mac: str | None
    note: str | None
    by: str | None
    since: datetime
    until: datetime | None


async def reserve(
    conn: Connection,
    scope: UUID,
    addresses: Iterable[str],
    at: datetime,
    note: str | None = None,
    *,
    until: datetime | None = None,
    by: str | None = None,
    mac: str | None = None,
) -> Occupied:
    """Keep addresses out of use, until `until` if given. Those in use already are refused.

    Reserving again changes note, end and who said it. With `mac` the address is that port's alone.
    """
    wanted = [Claim(a, reserved_by(scope, a), at, note, until=until) for a in addresses]
    occupied = await occupy(conn, scope, wanted)
    await state(
        conn, scope, [c.address for c in occupied.granted], at, note=note, until=until, by=by, mac=mac
    )
    return occupied


async def state(
    conn: Connection,
    scope: UUID,
    addresses: Sequence[str],
    at: datetime,
    *,
    note: str | None = None,
    until: datetime | None = None,
    by: str | None = None,
    mac: str | None = None,
) -> None:
    """Note what an operator said of `addresses`, whoever holds them now; since when it is said, stays."""
    require_transaction(conn)
    asked = list(dict.fromkeys(addresses))
    await conn.execute(
        """
        INSERT INTO ipam.reserved_address (scope_id, address, mac, note, by, since, until)
        SELECT $1, a, $3::text::macaddr, $4, $5, $6, $7 FROM unnest($2::text[]::inet[]) AS a
        ON CONFLICT (scope_id, address) DO UPDATE SET
            mac = excluded.mac, note = excluded.note, by = excluded.by, until = excluded.until
        """,
        *(scope, asked, mac, note, by, at, until),
    )
    # The ledger's own row shows note and end, too; its time is when the address was taken first.
    await conn.execute(
        """
        UPDATE ipam.address SET note = $3, until = $4
        WHERE scope_id = $1 AND address = ANY ($2::text[]::inet[]) AND holder_kind = 'reserved'
          AND (note, until) IS DISTINCT FROM ($3, $4)
        """,
        *(scope, asked, note, until),
    )


async def unreserve(conn: Connection, scope: UUID, addresses: Iterable[str], at: datetime) -> Released:
    """Take reservations by operators back; the addresses are free at once, as nobody used them.

    An address that the port with the MAC has stays with it; let go of, it cools down like any other.
    """
    require_transaction(conn)
    asked = list(dict.fromkeys(addresses))
    await conn.execute(
        "DELETE FROM ipam.reserved_address WHERE scope_id = $1 AND address = ANY ($2::text[]::inet[])",
        *(scope, asked),
    )
    return await release(conn, scope, [Release(a, reserved_by(scope, a), at) for a in asked], cooldown=False)


async def reserved_in(conn: Connection, scope: UUID, first: str, last: str) -> list[ReservedAddress]:
    """What is reserved from `first` to `last`, by address."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE scope_id = $1 AND address BETWEEN $2::text::inet AND $3::text::inet"
        " ORDER BY address",
        *(scope, first, last),
    )
    return [_from(row) for row in rows]


async def reserved_at(conn: Connection, addresses: Iterable[str]) -> dict[tuple[UUID, str], ReservedAddress]:
    """What is reserved of `addresses`, in whatever scope; by scope and address."""
    rows = await conn.fetch(f"{_SELECT} WHERE address = ANY ($1::text[]::inet[])", list(addresses))
    return {(row["scope_id"], row["address"]): _from(row) for row in rows}


async def bound_to(conn: Connection, mac: str, scope: UUID | None = None) -> list[ReservedAddress]:
    """The addresses bound to `mac`, by address; of one scope, if given."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE mac = $1::text::macaddr AND ($2::uuid IS NULL OR scope_id = $2) ORDER BY address",
        *(mac, scope),
    )
    return [_from(row) for row in rows]


async def ended(conn: Connection, now: datetime, most: int) -> list[ReservedAddress]:
    """Reservations whose end has come by `now`, the oldest first; at most `most`."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE until <= $1 ORDER BY until, scope_id, address LIMIT $2", *(now, most)
    )
    return [_from(row) for row in rows]


async def holds_reserved(conn: Connection, scope: UUID, addresses: Iterable[str]) -> dict[str, Held]:
    """Who holds each of `addresses` instead of the operator; reserved and cooling ones are left out."""
    _, held = await address_rows.examine(conn, scope, addresses)
    return {a: row for a, row in held.items() if row.holder.kind not in ("reserved", "cooling")}


async def reserve_again(conn: Connection) -> None:
    """Let the operator hold every address that is said to be reserved, and that nobody holds."""
    rows = await conn.fetch(
        f"{_SELECT} r WHERE NOT EXISTS ("
        " SELECT FROM ipam.address a WHERE a.scope_id = r.scope_id AND a.address = r.address)"
        " ORDER BY scope_id, address"
    )
    for scope, group in groupby(map(_from, rows), key=lambda one: one.scope_id):
        claims = [
            Claim(one.address, reserved_by(scope, one.address), one.since, one.note, until=one.until)
            for one in group
        ]
        await occupy(conn, scope, claims)


_SELECT = """
SELECT scope_id, host(address) AS address, mac, note, by, since, until FROM ipam.reserved_address
"""


def _from(row: Any) -> ReservedAddress:
    return ReservedAddress(**dict(row))


__all__ = [
    "ReservedAddress",
    "bound_to",
    "ended",
    "holds_reserved",
    "reserve",
    "reserve_again",
    "reserved_at",
    "reserved_by",
    "reserved_in",
    "state",
    "unreserve",
]

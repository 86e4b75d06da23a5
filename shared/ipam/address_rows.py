"""The rows of the ledger: examined under lock, inserted, changed and deleted in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from shared.ipam.connection import Connection
from shared.ipam.domain import Held, Holder, Reserved
from shared.ipam.domain.claims import Place


async def examine(
    conn: Connection, scope: UUID, addresses: Iterable[str]
) -> tuple[dict[str, Place], dict[str, Held]]:
    """Lock `addresses` for writing; where each belongs, and who holds it, by address."""
    asked = list(dict.fromkeys(addresses))
    rows = await conn.fetch("SELECT * FROM ipam.examine($1, $2::inet[])", scope, asked)
    places: dict[str, Place] = {}
    held: dict[str, Held] = {}
    for address, row in zip(asked, rows, strict=True):
        cooldown = timedelta(seconds=row["cooldown_seconds"] or 0)
        reserved = None
        if row["reserved_since"] is not None:
            reserved = Reserved(
                row["mac"], row["reserved_since"], row["reserved_until"], row["reserved_note"]
            )
        places[address] = Place(row["subnet_id"], cooldown, bool(row["remembers"]), reserved)
        if row["holder_id"] is not None:
            holder = Holder(row["holder_kind"], row["holder_id"])
            held[address] = Held(
                scope, address, holder, row["subnet_id"], row["since"], row["until"], row["note"]
            )
    return places, held


async def insert(conn: Connection, scope: UUID, rows: Sequence[Held]) -> set[str]:
    """Insert `rows`, in the order of their addresses; the addresses that nobody else was faster to take."""
    if not rows:
        return set()
    inserted = await conn.fetch(
        """
        INSERT INTO ipam.address AS a
            (scope_id, address, subnet_id, holder_kind, holder_id, since, until, note)
        SELECT $1, r.*
        FROM unnest(
            $2::inet[], $3::uuid[], $4::text[], $5::uuid[], $6::timestamptz[], $7::timestamptz[], $8::text[]
        ) AS r (address, subnet_id, holder_kind, holder_id, since, until, note)
        ORDER BY r.address
        ON CONFLICT (scope_id, address) DO NOTHING
        RETURNING host(a.address)
        """,
        scope,
        *_columns(rows),
    )
    return {row[0] for row in inserted}


async def change(conn: Connection, scope: UUID, rows: Sequence[Held]) -> None:
    """Give addresses that are in the ledger, and locked, the holders and times of `rows`."""
    if rows:
        addresses, _, *others = _columns(rows)
        await conn.execute("SELECT ipam.change($1, $2, $3, $4, $5, $6, $7)", scope, addresses, *others)


async def delete(conn: Connection, scope: UUID, addresses: Iterable[str]) -> None:
    """Take addresses out of the ledger; they are free from now on."""
    gone = list(addresses)
    if gone:
        await conn.execute("SELECT ipam.forget($1, $2)", scope, gone)


def held_from(row: asyncpg.Record) -> Held:
    """The row of the ledger in a record of all its columns."""
    return Held(
        scope=row["scope_id"],
        address=str(row["address"]),
        holder=Holder(row["holder_kind"], row["holder_id"]),
        subnet=row["subnet_id"],
        since=row["since"],
        until=row["until"],
        note=row["note"],
    )


def _columns(rows: Sequence[Held]) -> tuple[list[object], ...]:
    return (
        [row.address for row in rows],
        [row.subnet for row in rows],
        [row.holder.kind for row in rows],
        [row.holder.id for row in rows],
        [row.since for row in rows],
        [row.until for row in rows],
        [row.note for row in rows],
    )

"""The rows of the ledger: examined under lock, inserted, changed and deleted in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from shared.ipam.connection import Connection
from shared.ipam.domain import Held, Holder, Reserved
from shared.ipam.domain.claims import Place
from shared.store.ahead import begin

_WRITE = "SELECT ipam.write($1, $2, $3::text[]::inet[], $4, $5, $6, $7, $8, $9, $10::text[]::inet[])"


async def examine(
    conn: Connection, scope: UUID, addresses: Iterable[str]
) -> tuple[dict[str, Place], dict[str, Held]]:
    """Lock `addresses` for writing; where each belongs, and who holds it, by address."""
    asked = list(dict.fromkeys(addresses))
    rows = await conn.fetch("SELECT * FROM ipam.examine($1, $2::text[]::inet[])", scope, asked)
    subnets: dict[UUID | None, Place] = {}
    places: dict[str, Place] = {}
    held: dict[str, Held] = {}
    for address, row in zip(asked, rows, strict=True):
        subnet, cooldown, remembers, kind, holder, since, until, note, *said = row
        place = subnets.get(subnet)
        if place is None:
            place = subnets[subnet] = Place(subnet, timedelta(seconds=cooldown or 0), bool(remembers))
        places[address] = place if said[1] is None else place._replace(reserved=Reserved(*said))
        if holder is not None:
            held[address] = Held(scope, address, Holder(kind, holder), subnet, since, until, note)
    return places, held


async def write(
    conn: Connection,
    scope: UUID,
    inserts: Sequence[Held] = (),
    updates: Sequence[Held] = (),
    deletes: Sequence[str] = (),
) -> bool:
    """Insert rows, give addresses that are in the ledger other holders, and take addresses out of it.

    False, and nothing is written, when somebody was faster to an inserted address of no subnet. All others
    are locked, by `examine` or with their subnet.
    """
    if not (inserts or updates or deletes):
        return True
    values = (scope, len(updates), *_columns([*updates, *inserts]), deletes)
    if all(row.subnet is not None for row in inserts):
        await begin(conn, _WRITE, *values)
        return True
    written: bool = await conn.fetchval(_WRITE, *values)
    return written


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

"""What port groups were called: every name a fact told, so that the history is the same in any order (G3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.rows import Table
from shared.events.envelope import Envelope
from shared.events.inventory import PortgroupChanged, PortgroupRemoved
from shared.store.pool import Connection, Pool, transaction

WIRE_NAME = Table(
    "inventory.wire_name",
    {
        "vcenter_id": "uuid",
        "moid": "text",
        "epoch": "bigint",
        "sequence": "bigint",
        "told_at": "timestamptz",
        "name": "text",
    },
    keys=4,
)
_ORDER = "PARTITION BY vcenter_id, moid ORDER BY epoch, sequence"


@dataclass(frozen=True, slots=True)
class FormerName:
    """A name and the time it was first told; `until` is when the next one was."""

    name: str
    since: datetime
    until: datetime


async def note_names(
    conn: Connection, envelopes: Iterable[Envelope[PortgroupChanged | PortgroupRemoved]]
) -> None:
    """Keep the names that these facts tell."""
    told = {
        (e.data.vcenter, e.data.moid, *e.data.order): (e.time, e.data.name)
        for e in envelopes
        if isinstance(e.data, PortgroupChanged)
    }
    await WIRE_NAME.insert_new(conn, [(*key, *what) for key, what in told.items()])


async def former_names(conn: Connection, vcenter: UUID, moid: str) -> tuple[FormerName, ...]:
    """The names that a port group had before its present one, the latest first."""
    rows = await conn.fetch(
        f"""
        SELECT name, told_at AS since, lead(told_at) OVER (ORDER BY epoch, sequence) AS until
        FROM (
            SELECT *, lag(name) OVER ({_ORDER}) IS DISTINCT FROM name AS starts FROM inventory.wire_name
            WHERE vcenter_id = $1 AND moid = $2
        ) told
        WHERE starts ORDER BY epoch DESC, sequence DESC
        """,  # noqa: S608  our own words
        vcenter,
        moid,
    )
    return tuple(FormerName(**row) for row in rows if row["until"] is not None)


async def prune_names(pool: Pool, before: datetime) -> int:
    """Forget, of names told before `before`, all but the first telling in a row; how many were forgotten."""
    async with transaction(pool) as conn:
        done = await conn.execute(
            f"""
            DELETE FROM inventory.wire_name n USING (
                SELECT vcenter_id, moid, epoch, sequence, lag(name) OVER ({_ORDER}) = name AS repeats
                FROM inventory.wire_name
            ) r
            WHERE r.repeats AND n.told_at < $1 AND (n.vcenter_id, n.moid, n.epoch, n.sequence)
                = (r.vcenter_id, r.moid, r.epoch, r.sequence)
            """,  # noqa: S608  our own words
            before,
        )
    return int(done.rpartition(" ")[2])

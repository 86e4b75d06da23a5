"""What the embedded bus forgets: log entries beyond age or size, and bodies that nobody needs any more."""

from __future__ import annotations

from shared.bus.embedded_session import LOCK_CLASS, bus_transaction
from shared.store.pool import Connection, Pool

CHUNK = 5_000
"""Messages removed per transaction."""

NOBODY = 0
"""Second half of the advisory lock of whoever sweeps; members are numbered from 1."""


async def sweep(pool: Pool) -> int:
    """Remove what is beyond retention, and unlogged messages that are in no queue. How many were removed."""
    removed = 0
    while True:
        async with bus_transaction(pool) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", LOCK_CLASS, NOBODY):
                return removed
            await _expire(connection)
            gone = await _remove_unneeded(connection)
        removed += gone
        if gone < CHUNK:
            return removed


async def _expire(connection: Connection) -> None:
    """Take the oldest entries out of the log when they are too old or too big. Queues may keep them."""
    kept = await connection.fetchrow(
        "SELECT max_age_hours, max_bytes FROM bus.queue WHERE kind = 'stream' LIMIT 1"
    )
    if kept is None:
        return
    freed = await connection.fetchval(
        """
        WITH oldest AS (
            SELECT id, time, octet_length(body) AS size, sum(octet_length(body)) OVER (ORDER BY id) AS upto
            FROM (SELECT id, time, body FROM bus.message WHERE logged ORDER BY id LIMIT $3) AS page),
        expired AS (
            UPDATE bus.message message SET logged = false FROM oldest
            WHERE message.id = oldest.id
              AND (oldest.time < now() - make_interval(hours => $1)
                   OR oldest.upto <= (SELECT logged_bytes FROM bus.position) - $2)
            RETURNING oldest.size)
        SELECT coalesce(sum(size), 0)::bigint FROM expired
        """,
        kept["max_age_hours"],
        kept["max_bytes"],
        CHUNK,
    )
    if freed:
        await connection.execute("UPDATE bus.position SET logged_bytes = logged_bytes - $1", freed)


async def _remove_unneeded(connection: Connection) -> int:
    status = await connection.execute(
        """
        DELETE FROM bus.message WHERE id = ANY (ARRAY(
            SELECT id FROM bus.message message WHERE NOT logged
              AND NOT EXISTS (SELECT FROM bus.delivery WHERE entry = message.id)
            ORDER BY id LIMIT $1))
        """,
        CHUNK,
    )
    return int(status.split()[-1])

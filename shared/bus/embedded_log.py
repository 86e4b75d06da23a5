"""Reading what the embedded bus keeps: the log and the dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from shared.bus.embedded_messages import COLUMNS, dead_letter_of_row, log_entry_of_row
from shared.bus.embedded_session import LOG_KEY, Session, bus_transaction, rest
from shared.bus.port import BusLost, DeadLetter, LogEntry, LogStart
from shared.events.topology import DEAD_LETTER_QUEUE
from shared.store.pool import Connection, Pool

PAGE = 500
POLL_SECONDS = 5.0
"""How long a follower sleeps at most without news; news normally wakes it at once."""

PATIENCE = 12
"""Attempts, five seconds apart, to reach a database that went away while its log is followed."""

_ENTRIES = f"""
SELECT id, time, {COLUMNS} FROM bus.message
WHERE logged AND id >= $1 AND id <= $2 AND time >= $3 ORDER BY id LIMIT $4
"""  # noqa: S608  made of constants

_DEAD = f"""
SELECT delivery.seq, dead_reason, dead_detail, dead_queue, dead_since, {COLUMNS}
FROM bus.delivery delivery JOIN bus.message message ON message.id = delivery.entry
WHERE delivery.queue_id = (SELECT id FROM bus.queue WHERE name = $1) AND delivery.seq > $2
ORDER BY delivery.seq LIMIT $3
"""  # noqa: S608  made of constants

_BEGINNING_OF_TIME = datetime.fromisoformat("0001-01-02T00:00:00+00:00")


async def read_log(
    pool: Pool, session: Callable[[], Awaitable[Session]], start: LogStart, *, follow: bool
) -> AsyncIterator[LogEntry]:
    """Entries in order of offset. Offsets become visible in order, so none is ever skipped."""
    async with bus_transaction(pool) as connection:
        end = await _end(connection)
        first = await _first(connection, start, end)
    since = start if isinstance(start, datetime) else _BEGINNING_OF_TIME
    async for entry in _read_upto(pool, first, end, since):
        yield entry
    if not follow:
        return
    first = max(first, end + 1)
    async for entry in _follow(pool, session, first, since):
        yield entry


async def _follow(
    pool: Pool, session: Callable[[], Awaitable[Session]], first: int, since: datetime
) -> AsyncIterator[LogEntry]:
    failures = 0
    while True:
        try:
            present = await session()
            with present.wakes(LOG_KEY) as news:
                while not present.lost:
                    news.clear()
                    async with bus_transaction(pool) as connection:
                        end = await _end(connection)
                    failures = 0
                    async for entry in _read_upto(pool, first, end, since):
                        first = entry.offset + 1
                        yield entry
                    first = max(first, end + 1)
                    await rest(news, POLL_SECONDS)
        except BusLost:
            failures += 1
            if failures > PATIENCE:
                raise
            await _pause(failures)


async def _pause(failures: int) -> None:
    """A pause before the next attempt: short at first, five seconds at most."""
    await asyncio.sleep(min(5.0, 0.1 * 2**failures))


async def _read_upto(pool: Pool, first: int, end: int, since: datetime) -> AsyncIterator[LogEntry]:
    while first <= end:
        async with bus_transaction(pool) as connection:
            rows = await connection.fetch(_ENTRIES, first, end, since, PAGE)
        for row in rows:
            yield log_entry_of_row(row)
        if len(rows) < PAGE:
            return
        first = rows[-1]["id"] + 1


async def _end(connection: Connection) -> int:
    """The last visible offset, of whatever kind. Everything up to it is visible."""
    end: int = await connection.fetchval("SELECT next - 1 FROM bus.position")
    return end


async def _first(connection: Connection, start: LogStart, end: int) -> int:
    if start == "next":
        return end + 1
    if start == "last":
        # Not what came since the end was looked up: it will not be read to there.
        last = await connection.fetchval("SELECT max(id) FROM bus.message WHERE logged AND id <= $1", end)
        return end + 1 if last is None else int(last)
    if isinstance(start, datetime):
        oldest = await connection.fetchval(
            "SELECT min(id) FROM bus.message WHERE logged AND time >= $1", start
        )
        return end + 1 if oldest is None else int(oldest)
    return 0 if start == "first" else int(start)


async def dead_letters(pool: Pool) -> AsyncIterator[DeadLetter]:
    """What is in the dead-letter queue, oldest first."""
    after = 0
    while True:
        async with bus_transaction(pool) as connection:
            rows = await connection.fetch(_DEAD, DEAD_LETTER_QUEUE, after, PAGE)
        for row in rows:
            yield dead_letter_of_row(row)
        if len(rows) < PAGE:
            return
        after = rows[-1]["seq"]

"""Replays in the table `bus.replay`: made, continued by one process at a time, remembered."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Record

from shared.replay.plan import Plan, Progress, Replay, State
from shared.runtime.errors import PermanentError
from shared.store.connection import translate_errors
from shared.store.pool import Connection, Pool

LOCK_CLASS = 28771
"""Of the advisory locks that replays hold while they run; the other half is the replay's number."""

_COLUMNS = f"""
id, plan, by, started_at, changed_at, state, next, read, sent, size, problem, EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {LOCK_CLASS} AND objid::bigint = number AND objsubid = 2
      AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS active
"""  # noqa: S608  made of constants


async def create(pool: Pool, plan: Plan, by: str, size: int = 0, identity: str | None = None) -> Replay:
    """Remember a new replay, as paused at its beginning."""
    async with translate_errors():
        row = await pool.fetchrow(
            f"""
            INSERT INTO bus.replay (id, plan, by, state, next, size)
            VALUES ($1, $2, $3, 'paused', $4, $5) RETURNING {_COLUMNS}
            """,  # noqa: S608  made of constants
            identity or new_id(),
            plan.model_dump(mode="json"),
            by,
            plan.first,
            size,
        )
    assert row is not None  # noqa: S101  an INSERT returns its row
    return _replay(row)


def new_id() -> str:
    """An id that people can type, and that marks this replay's messages."""
    return secrets.token_hex(4)


async def find(pool: Pool, identity: str) -> Replay:
    """The replay of that id, or whose id begins like that. Raises `PermanentError` replay_unknown."""
    async with translate_errors():
        rows = await pool.fetch(
            f"SELECT {_COLUMNS} FROM bus.replay WHERE starts_with(id, $1) ORDER BY id",  # noqa: S608
            identity,
        )
    exact = [row for row in rows if row["id"] == identity] or rows
    if len(exact) == 1 and identity:
        return _replay(exact[0])
    what = (
        f"{len(exact)} replays' ids begin with {identity!r}" if exact else f"there is no replay {identity!r}"
    )
    raise PermanentError(what, code="replay_unknown", hint="list them with: patchbay events replays")


async def all_replays(pool: Pool) -> list[Replay]:
    """Every replay, the newest first."""
    async with translate_errors():
        rows = await pool.fetch(f"SELECT {_COLUMNS} FROM bus.replay ORDER BY number DESC")  # noqa: S608
    return [_replay(row) for row in rows]


class Claim:
    """The right of this process to work on one replay, for as long as its connection lasts."""

    def __init__(self, connection: Connection, replay: Replay) -> None:
        self._connection = connection
        self.replay = replay

    async def save(self, progress: Progress, state: State = "running", problem: str | None = None) -> None:
        """Remember how far it is. Raises `TransientError` when the database can't be reached."""
        async with translate_errors():
            await self._connection.execute(
                """
                UPDATE bus.replay SET next = $2, read = $3, sent = $4, size = $5, state = $6, problem = $7,
                    changed_at = clock_timestamp() WHERE id = $1
                """,
                self.replay.id,
                *(progress.next, progress.read, progress.sent, progress.size),
                state,
                problem,
            )


@asynccontextmanager
async def claimed(pool: Pool, identity: str) -> AsyncIterator[Claim]:
    """Work on a replay alone. Raises `PermanentError` replay_unknown, replay_active, replay_done."""
    found = await find(pool, identity)
    async with pool.acquire() as connection:
        async with translate_errors():
            number = await connection.fetchval("SELECT number FROM bus.replay WHERE id = $1", found.id)
            free = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, number)
        if not free:
            raise PermanentError(
                f"replay {found.id} is running",
                code="replay_active",
                hint="end it where it runs (Ctrl-C) first",
            )
        try:
            # Read again behind the lock: who held it until now may have come further.
            yield Claim(connection, await find(pool, found.id))
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, number)


def _replay(row: Record) -> Replay:
    return Replay(
        id=row["id"],
        plan=Plan.model_validate(row["plan"]),
        by=row["by"],
        started_at=row["started_at"],
        changed_at=row["changed_at"],
        state=row["state"],
        progress=Progress(row["next"], row["read"], row["sent"], row["size"]),
        problem=row["problem"],
        active=row["active"],
    )

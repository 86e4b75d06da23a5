"""One active collector per vCenter: a session lock in PostgreSQL, which dies with whoever held it.

A new epoch is begun through the lock's own connection. So whoever has lost the lock, knowingly or not, can't
begin one any more, and what it still publishes under its old epoch loses to what its successor says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog

from shared.runtime.errors import TransientError
from shared.store.connection import connect, translate_errors

log = structlog.get_logger(__name__)
T = TypeVar("T")
_SPACE = 0x636F_6C6C
"""First key of the lock pair: "coll"."""


class Lock:
    """The lock of one vCenter, held. `lost` is set when it is known to be held no more."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self.lost = asyncio.Event()
        self._connection = connection
        self._turn = asyncio.Lock()
        self._writing: set[asyncio.Task[Any]] = set()
        connection.add_termination_listener(lambda _: self.lost.set())

    async def write(self, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
        """The result of `work`, done in one transaction by the session that holds the lock.

        Raises `TransientError`, and nothing was written, when the lock is lost. Cancelled, it is carried out
        all the same: a statement that is broken off would leave the connection, and so the lock, of no use.
        """
        writing = asyncio.create_task(self._write(work))
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        return await asyncio.shield(writing)

    def _written(self, writing: asyncio.Task[Any]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # whoever still waits for it gets it

    async def _write(self, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
        try:
            async with self._turn, translate_errors(), self._connection.transaction():
                return await work(self._connection)
        except TransientError:
            self.lost.set()
            raise

    async def guard(self, poll_seconds: float) -> None:
        """Ask now and then: a connection to a machine that vanished does not say so. Ends when it is lost."""
        while not self.lost.is_set():
            await asyncio.sleep(poll_seconds)
            try:
                async with self._turn, translate_errors():
                    await self._connection.fetchval("SELECT 1", timeout=poll_seconds + 5)
            except TransientError as error:
                log.warning("collector lock lost", error=str(error))
                self.lost.set()


@asynccontextmanager
async def only_one(
    database_url: str, vcenter: UUID, *, poll_seconds: float, silence_seconds: float
) -> AsyncIterator[Lock]:
    """Hold the lock of a vCenter, waiting for it if need be.

    `vcenter` is the registration's id. A holder that is not heard of for `silence_seconds` (its machine is
    gone, its process hangs) loses the lock. Raises `TransientError` when the database can't be reached.
    """
    connection = await connect(database_url, name="patchbay-collector-lock")
    lock = Lock(connection)
    try:
        await _end_when_silent(connection, silence_seconds)
        while not await _try(connection, vcenter):  # noqa: ASYNC110  the other holder is another process
            await asyncio.sleep(poll_seconds)
        guard = asyncio.create_task(lock.guard(poll_seconds))
        try:
            yield lock
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
    finally:
        connection.terminate()


async def _end_when_silent(connection: asyncpg.Connection[asyncpg.Record], seconds: float) -> None:
    """Let the server end this session, and with it the lock, when nothing comes from us any more."""
    async with translate_errors():
        await connection.execute(
            "SELECT set_config('idle_session_timeout', $1, false),"
            " set_config('idle_in_transaction_session_timeout', $1, false)",
            f"{round(seconds * 1000)}ms",
        )


async def _try(connection: asyncpg.Connection[asyncpg.Record], vcenter: UUID) -> bool:
    async with translate_errors():
        key = int.from_bytes(vcenter.bytes[:4], "big", signed=True)
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _SPACE, key))

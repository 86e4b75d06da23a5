"""One active collector per vCenter: a session lock in PostgreSQL, which dies with whoever held it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from shared.runtime.errors import TransientError
from shared.store.connection import connect, translate_errors

log = structlog.get_logger(__name__)
_SPACE = 0x636F_6C6C
"""First key of the lock pair: "coll"."""


@asynccontextmanager
async def only_one(database_url: str, vcenter: UUID, *, poll_seconds: float) -> AsyncIterator[asyncio.Event]:
    """Hold the lock of a vCenter, waiting for it if need be. The event is set when the lock is lost.

    `vcenter` is the registration's id. Raises `TransientError` when the database can't be reached.
    """
    connection = await connect(database_url, name="patchbay-collector-lock")
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        while not await _try(connection, vcenter):  # noqa: ASYNC110  the other holder is another process
            await asyncio.sleep(poll_seconds)
        guard = asyncio.create_task(_guard(connection, lost, poll_seconds))
        try:
            yield lost
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
    finally:
        connection.terminate()


async def _try(connection: asyncpg.Connection[asyncpg.Record], vcenter: UUID) -> bool:
    async with translate_errors():
        key = int.from_bytes(vcenter.bytes[:4], "big", signed=True)
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _SPACE, key))


async def _guard(
    connection: asyncpg.Connection[asyncpg.Record], lost: asyncio.Event, poll_seconds: float
) -> None:
    """Ask now and then: a connection to a machine that vanished does not say so."""
    while not lost.is_set():
        await asyncio.sleep(poll_seconds)
        try:
            async with translate_errors():
                await connection.fetchval("SELECT 1", timeout=poll_seconds + 5)
        except TransientError as error:
            log.warning("collector lock lost", error=str(error))
            lost.set()

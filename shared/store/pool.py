"""The pool of connections, and the one way to open a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, TypeAlias, cast

import asyncpg
import stamina
from pydantic import SecretStr

from shared.store.ahead import AheadConnection, settle
from shared.store.connection import (
    CONNECT_TIMEOUT,
    LIMITS,
    DatabaseLost,
    Limits,
    connect,
    dial_again,
    plain,
    prepare,
    server_settings,
    translate_errors,
)

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
"""What a transaction hands out, and what functions that take part in one accept."""

Isolation = Literal["read_committed", "repeatable_read", "serializable"]


async def open_pool(
    url: SecretStr | str,
    *,
    name: str,
    size: int = 8,
    command_timeout: float = 60.0,
    patience: timedelta = timedelta(seconds=60),
    limits: Limits = LIMITS,
) -> Pool:
    """A pool of up to `size` connections; close it with `await pool.close()`.

    Waits up to `patience` for a server that is starting. jsonb and json columns are Python objects, times are
    UTC. The server ends what takes longer than `limits`. Raises `DatabaseLost` when patience ends,
    `PermanentError` when the server will not have us.
    """
    async for attempt in stamina.retry_context(
        on=DatabaseLost, attempts=None, timeout=patience, wait_initial=0.1, wait_max=3.0
    ):
        with attempt:
            probe = await connect(url, name=name)
            await probe.close()
    async with translate_errors():
        pool: Pool = await asyncpg.create_pool(
            plain(url),
            min_size=1,
            max_size=size,
            init=prepare,
            connection_class=AheadConnection,
            connect=cast("Any", dial_again),  # the driver's stubs want all of its parameters by name
            command_timeout=command_timeout,
            timeout=CONNECT_TIMEOUT,
            server_settings=server_settings(name, limits),
        )
        return pool


@asynccontextmanager
async def transaction(
    pool: Pool, *, isolation: Isolation | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """A connection in a transaction: committed when the block ends, rolled back when it raises.

    Errors of the database, also those of the commit, leave as `ConflictError`, `TransientError` or
    `PermanentError`.
    """
    async with (
        translate_errors(),
        pool.acquire() as connection,
        connection.transaction(isolation=isolation, readonly=readonly),
    ):
        yield connection
        # Before the commit, so that an error of it still leads to a rollback.
        await settle(connection)

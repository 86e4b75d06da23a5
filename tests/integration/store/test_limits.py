"""A process that hangs in the middle of a transaction does not hold its locks for ever."""

from __future__ import annotations

import pytest

from shared.runtime.errors import TransientError
from shared.store.connection import Limits
from shared.store.pool import Pool, open_pool, transaction

pytestmark = pytest.mark.postgres


async def hang(hanging: Pool, others: Pool) -> None:
    """Take a lock and say nothing, until others have got it."""
    async with transaction(hanging) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(42)")
        async with transaction(others) as other:
            # Waits for the lock, which the server takes from the silent one.
            await other.execute("SELECT pg_advisory_xact_lock(42)")
        await conn.execute("SELECT 1")


async def test_a_transaction_that_falls_silent_is_ended_and_its_locks_are_free(database: str) -> None:
    hanging = await open_pool(database, name="hangs", size=1, limits=Limits(idle_in_transaction=0.2))
    others = await open_pool(database, name="waits", size=1)
    try:
        with pytest.raises(TransientError):
            await hang(hanging, others)
        async with transaction(hanging) as conn:
            assert await conn.fetchval("SELECT 1") == 1
    finally:
        hanging.terminate()
        others.terminate()


async def test_a_statement_that_takes_too_long_is_ended_and_may_be_tried_again(database: str) -> None:
    pool = await open_pool(database, name="slow", size=1, limits=Limits(statement=0.2))
    try:
        with pytest.raises(TransientError):
            async with transaction(pool) as conn:
                await conn.execute("SELECT pg_sleep(60)")
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        pool.terminate()


async def test_zero_is_without_end(database: str) -> None:
    pool = await open_pool(database, name="patient", size=1, limits=Limits(0, 0))
    try:
        assert await pool.fetchval("SHOW statement_timeout") == "0"
        assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
    finally:
        pool.terminate()

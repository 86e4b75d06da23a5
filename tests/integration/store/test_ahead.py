"""Statements that run while whoever sent them goes on: order, errors, and what a rollback does to them."""

from __future__ import annotations

import asyncio

import pytest

from shared.runtime.errors import PermanentError
from shared.store.ahead import begin
from shared.store.connection import WriteConflict, connect
from shared.store.pool import Connection, Pool, transaction


@pytest.fixture
async def numbers(pool: Pool) -> Pool:
    """A pool, and a table of numbers that may be there once each."""
    await pool.execute("CREATE TABLE public.number (n integer PRIMARY KEY CHECK (n >= 0))")
    return pool


async def stored(pool: Pool) -> list[int]:
    return [row["n"] for row in await pool.fetch("SELECT n FROM public.number ORDER BY n")]


async def until_somebody_waits(pool: Pool) -> None:
    """For a lock."""
    async with asyncio.timeout(30):
        await pool.execute(
            """
            DO $$ BEGIN
                WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) LOOP
                    PERFORM pg_sleep(0.01);
                END LOOP;
            END $$
            """
        )


async def insert(conn: Connection, *values: int) -> None:
    for value in values:
        await begin(conn, "INSERT INTO public.number VALUES ($1)", value)


async def test_a_begun_statement_runs_while_its_sender_goes_on(numbers: Pool) -> None:
    async with transaction(numbers) as conn:
        await begin(conn, "SELECT pg_advisory_xact_lock($1)", 4711)
        # Nothing was asked of this connection since: another one waits for the lock none the less.
        waiting = asyncio.create_task(numbers.execute("SELECT pg_advisory_lock($1)", 4711))
        await until_somebody_waits(numbers)
        assert not waiting.done()
    await waiting


async def test_statements_keep_their_order(numbers: Pool) -> None:
    async with transaction(numbers) as conn:
        await insert(conn, 1, 2, 3)
        assert await conn.fetchval("SELECT count(*) FROM public.number") == 3
        await begin(conn, "DELETE FROM public.number WHERE n > $1", 1)
        await conn.execute("INSERT INTO public.number VALUES (2)")
        await insert(conn, 5)
        assert [row["n"] for row in await conn.fetch("SELECT n FROM public.number ORDER BY n")] == [1, 2, 5]
        await insert(conn, 6)
    assert await stored(numbers) == [1, 2, 5, 6]


@pytest.mark.parametrize("then", ["a statement", "the end"])
async def test_its_error_is_not_lost_and_the_transaction_is(numbers: Pool, then: str) -> None:
    async def twice_the_same() -> None:
        async with transaction(numbers) as conn:
            await insert(conn, 1, 1)
            if then == "a statement":
                await conn.execute("SELECT 1")

    with pytest.raises(WriteConflict, match="duplicate key"):
        await twice_the_same()
    assert await stored(numbers) == []
    async with transaction(numbers) as conn:
        await insert(conn, 7)
    assert await stored(numbers) == [7]


async def test_what_was_begun_is_undone_with_its_transaction(numbers: Pool) -> None:
    async def change_my_mind() -> None:
        async with transaction(numbers) as conn:
            await insert(conn, 1)
            await begin(conn, "SELECT pg_sleep(600)")
            raise PermanentError("changed my mind", code="test")

    with pytest.raises(PermanentError, match="changed my mind"):
        await change_my_mind()
    assert await stored(numbers) == []


async def test_a_savepoint_undoes_what_was_begun_in_it_and_no_more(numbers: Pool) -> None:
    async def undone(conn: Connection) -> None:
        async with conn.transaction():
            await insert(conn, 2, -1)
            raise PermanentError("changed my mind", code="test")

    async with transaction(numbers) as conn:
        await insert(conn, 1)
        with pytest.raises(PermanentError, match="changed my mind"):
            await undone(conn)
        await insert(conn, 3)
    assert await stored(numbers) == [1, 3]


async def test_who_is_cancelled_leaves_nothing_behind(numbers: Pool) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        async with transaction(numbers) as conn:
            await insert(conn, 1)
            await begin(conn, "SELECT pg_sleep(600)")
            started.set()
            await conn.execute("INSERT INTO public.number VALUES (2)")

    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(numbers) == []


async def test_a_connection_of_another_kind_does_it_at_once(numbers: Pool, database: str) -> None:
    conn = await connect(database, name="test")
    try:
        await begin(conn, "INSERT INTO public.number VALUES ($1)", 9)
        assert await stored(numbers) == [9]
    finally:
        await conn.close()

"""The pool: types, waiting for a server, and the driver's errors in our words."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from shared.runtime.errors import Action, PermanentError, action_for
from shared.store.connection import DatabaseLost, WriteConflict, connect
from shared.store.pool import Pool, open_pool, transaction
from tests.servers.postgres import PostgresServer, with_database

pytestmark = pytest.mark.postgres

DOCUMENT = {"text": "ü", "list": [1, None, True], "inner": {"a": 1.5}}


async def test_json_columns_are_python_objects_also_in_a_copy(pool: Pool) -> None:
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT $1::jsonb", DOCUMENT) == DOCUMENT
        assert await connection.fetchval("SELECT $1::json", DOCUMENT) == DOCUMENT
        await connection.execute("CREATE TEMPORARY TABLE t (a jsonb, b json)")
        await connection.copy_records_to_table("t", records=[(DOCUMENT, DOCUMENT)])
        assert tuple(await connection.fetchrow("SELECT a, b FROM t") or ()) == (DOCUMENT, DOCUMENT)
        with pytest.raises(asyncpg.DataError, match="NaN"):
            await connection.fetchval("SELECT $1::jsonb", float("nan"))


async def test_times_are_utc_and_the_name_is_seen(database: str) -> None:
    pool = await open_pool(SecretStr(database), name="patchbay-test")
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert await pool.fetchval("SELECT $1::timestamptz::text", now) == "2026-07-01 12:00:00+00"
    assert await pool.fetchval("SHOW application_name") == "patchbay-test"
    await pool.close()


async def test_the_suffix_that_sqlalchemy_wants_is_understood(database: str) -> None:
    connection = await connect(database.replace("postgresql://", "postgresql+asyncpg://"), name="test")
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_duplicate_is_a_conflict_that_names_its_rule(pool: Pool) -> None:
    insert = "INSERT INTO ipam.scope (id, name) VALUES (gen_random_uuid(), 'dmz')"
    async with transaction(pool) as connection:
        await connection.execute(insert)

    async def again() -> None:
        async with transaction(pool) as connection:
            await connection.execute(insert)

    with pytest.raises(WriteConflict) as caught:
        await again()
    assert caught.value.constraint == "scope_name_key"
    assert action_for(caught.value) is Action.RETRY_NOW


async def test_a_serialization_failure_is_a_conflict_also_at_the_commit(pool: Pool) -> None:
    await pool.execute("CREATE TABLE n (v int)")

    async def write_what_the_other_reads(ready: asyncio.Barrier) -> None:
        async with transaction(pool, isolation="serializable") as connection:
            await connection.fetchval("SELECT count(*) FROM n")
            await ready.wait()
            await connection.execute("INSERT INTO n VALUES (1)")
            await ready.wait()

    ready = asyncio.Barrier(2)
    results = await asyncio.gather(
        *(write_what_the_other_reads(ready) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "WriteConflict"]


async def test_a_deadlock_is_a_conflict(pool: Pool) -> None:
    await pool.execute("CREATE TABLE n (v int); INSERT INTO n VALUES (1), (2)")

    async def lock(first: int, second: int, ready: asyncio.Barrier) -> None:
        async with transaction(pool) as connection:
            await connection.execute("UPDATE n SET v = v WHERE v = $1", first)
            await ready.wait()
            await connection.execute("UPDATE n SET v = v WHERE v = $1", second)

    ready = asyncio.Barrier(2)
    results = await asyncio.gather(lock(1, 2, ready), lock(2, 1, ready), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "WriteConflict"]


async def test_a_connection_that_the_server_ends_is_a_loss(pool: Pool) -> None:
    async def end_myself() -> None:
        async with transaction(pool) as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseLost) as caught:
        await end_myself()
    assert action_for(caught.value) is Action.RETRY_LATER
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_query_that_takes_too_long_is_a_loss(database: str) -> None:
    pool = await open_pool(database, name="test", command_timeout=0.2)

    async def sleep() -> None:
        async with transaction(pool) as connection:
            await connection.execute("SELECT pg_sleep(30)")

    with pytest.raises(DatabaseLost):
        await sleep()
    pool.terminate()


async def test_a_defect_stays_a_defect(pool: Pool) -> None:
    async def divide() -> None:
        async with transaction(pool) as connection:
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero") as caught:
        await divide()
    assert action_for(caught.value) is Action.RETRY_TO_LIMIT


async def test_a_server_that_starts_is_waited_for(database: str, postgres_server: PostgresServer) -> None:
    postgres_server.stop()
    opening = asyncio.create_task(open_pool(database, name="test"))
    await asyncio.sleep(0.3)
    assert not opening.done()
    await asyncio.to_thread(postgres_server.start)
    pool = await opening
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()


async def test_patience_ends() -> None:
    with pytest.raises(DatabaseLost, match="not available"):
        await open_pool("postgresql://u:geheim@127.0.0.1:1/d", name="t", patience=timedelta(seconds=0.2))
    with pytest.raises(DatabaseLost, match="unix socket"):
        await open_pool("postgresql://u@/d?host=/nowhere", name="t", patience=timedelta(seconds=0.2))


async def test_g9_what_can_never_work_is_told_without_the_password(postgres_server: PostgresServer) -> None:
    with pytest.raises(PermanentError, match="does not exist") as caught:
        await open_pool(with_database(postgres_server.url, "no_such"), name="t")
    assert caught.value.hint is not None
    assert "PATCHBAY_DATABASE_URL" in caught.value.hint
    for url in ("mysql://u:geheim@h/d", "geheim", "postgresql://u:geheim@h:port/d"):
        with pytest.raises(PermanentError, match="not a PostgreSQL URL") as caught:
            await open_pool(url, name="t")
        assert "geheim" not in repr(caught.value)
        assert caught.value.__cause__ is None

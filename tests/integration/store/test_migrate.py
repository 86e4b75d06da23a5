"""The schema's history: forward, all or nothing, one at a time, and never past what this release knows."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from shared.store.migrate import upgrade
from shared.store.schema import (
    MIGRATIONS,
    SchemaOutdated,
    SchemaUnknown,
    current,
    head,
    history,
    require_current,
)

pytestmark = pytest.mark.postgres


async def run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_an_empty_database_is_brought_to_the_newest_schema(empty_database: str) -> None:
    assert await current(empty_database) is None
    assert await upgrade(empty_database) == head()
    assert await current(empty_database) == head()
    await require_current(empty_database)
    assert await run(empty_database, "SELECT count(*) FROM bus.outbox") == 0


async def test_doing_it_again_changes_nothing(database: str) -> None:
    assert await upgrade(database) == head()
    assert await current(database) == head()


async def test_who_comes_at_the_same_time_waits_and_finds_it_done(empty_database: str) -> None:
    assert set(await asyncio.gather(*(upgrade(empty_database) for _ in range(3)))) == {head()}


async def test_a_step_that_fails_leaves_nothing_behind(empty_database: str) -> None:
    await run(empty_database, "CREATE SCHEMA inventory")  # in the way of a later step
    with pytest.raises(asyncpg.DuplicateSchemaError) as caught:
        await upgrade(empty_database)
    assert "0004_inventory.sql" in "".join(caught.value.__notes__)
    assert await current(empty_database) is None
    assert await run(empty_database, "SELECT to_regclass('bus.outbox') IS NULL")


async def test_an_older_schema_is_refused_with_the_command_to_run(database: str) -> None:
    await run(database, "UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(SchemaOutdated, match=f"at schema 0003, this release needs {head()}") as caught:
        await require_current(database)
    assert caught.value.hint == "run 'patchbay db upgrade'"


async def test_a_database_without_schema_is_refused_with_the_command_to_run(empty_database: str) -> None:
    with pytest.raises(SchemaOutdated, match="at schema none") as caught:
        await require_current(empty_database)
    assert caught.value.hint == "run 'patchbay db upgrade'"


async def test_a_newer_schema_is_left_alone(database: str) -> None:
    await run(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaUnknown, match="9999"):
        await require_current(database)
    with pytest.raises(SchemaUnknown, match="9999"):
        await upgrade(database)
    assert await current(database) == "9999"


def test_the_history_is_the_one_alembic_reads() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [head()]
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(history()))

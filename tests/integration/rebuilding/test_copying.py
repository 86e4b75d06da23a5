"""Rows from one database to another."""

from __future__ import annotations

import asyncpg
import pytest

from shared.state.copying import copy_state
from shared.state.tables import Table, state_tables
from shared.store.connection import connect
from shared.store.migrate import upgrade
from shared.store.pool import Pool, transaction

pytestmark = pytest.mark.postgres


async def test_children_come_after_their_parents(pool: Pool) -> None:
    """Every table is found, without a list of them, and in an order that foreign keys allow."""
    async with transaction(pool) as conn:
        tables = await state_tables(conn)
        there = await conn.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname IN ('ipam', 'inventory', 'placement')"
        )
    assert len(tables) == there
    place = {table.full_name: number for number, table in enumerate(tables)}
    assert all(place[parent] < place[table.full_name] for table in tables for parent in table.parents)
    assert place["ipam.free_interval"] > place["ipam.address"]


async def test_what_cannot_be_read_is_the_error_that_is_told(
    pool: Pool, database: str, empty_database: str
) -> None:
    """And not that the other side got nothing."""
    await upgrade(empty_database)
    await pool.execute("ALTER TABLE inventory.guest DROP COLUMN hostname")
    source = await connect(database, name="test")
    target = await connect(empty_database, name="test")
    async with target.transaction():
        tables: list[Table] = [t for t in await state_tables(target) if t.name == "guest"]
        with pytest.raises(asyncpg.UndefinedColumnError, match="hostname"):
            await copy_state(source, target, tables)
    await source.close()
    await target.close()

"""A guest that says again what it said: heard, kept in its history, and nothing else is written."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.store.pool import Pool
from tests.integration.allocator.story import Stage, Teller

pytestmark = pytest.mark.postgres

UNTOUCHED = ("vm_head", "sighting", "tenure", "vm", "port", "nic", "nic_address")


async def _versions(pool: Pool) -> dict[str, list[Any]]:
    """Which transaction wrote each row."""
    return {
        table: await pool.fetch(f"SELECT ctid::text, xmin::text FROM inventory.{table} ORDER BY 1")  # noqa: S608
        for table in UNTOUCHED
    }


async def test_a_repeat_writes_the_report_and_the_history_alone(pool: Pool) -> None:
    stage, teller = Stage(pool), Teller()
    await stage.tell(teller.portgroup("pg-1"), teller.vm("web", "pg-1"), teller.guest("web", "10.0.0.5"))
    await stage.subnet("net", "10.0.0.0/24", "pg-1")
    await stage.told()
    before = await _versions(pool)
    await stage.tell(teller.guest("web", "10.0.0.5", hostname="web.example"))
    assert await _versions(pool) == before
    assert await stage.told() == []
    guest = await pool.fetchrow("SELECT hostname, sequence, observed_at FROM inventory.guest")
    assert tuple(guest or ()) == ("web.example", teller.sequence, teller.now())
    kept = await pool.fetchval("SELECT count(*) FROM inventory.vm_history WHERE kind = 'guest'")
    assert kept == 2


@pytest.mark.parametrize("seed", range(4))
async def test_g3_a_late_report_among_repeats_counts_as_if_in_time(pool: Pool, seed: int) -> None:
    """Repeats leave no trace in the end of a history; which facts are late is known all the same."""
    stage, teller = Stage(pool), Teller()
    facts = [
        teller.portgroup("pg-1"),
        teller.vm("web", "pg-1"),
        *(teller.guest("web", f"10.0.0.{host}") for host in (5, 5, 6, 5, 5, 6, 6, 5)),
    ]
    await stage.each(facts)
    expected = await stage.dump()
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'inventory'")
    names = ", ".join(f"inventory.{row['tablename']}" for row in tables)
    await pool.execute(f"TRUNCATE {names}, ipam.address")
    random.Random(seed).shuffle(facts)  # noqa: S311
    await stage.each([*facts, *facts[:3]])
    assert await stage.dump() == expected

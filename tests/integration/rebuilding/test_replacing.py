"""The live state exchanged for the rebuilt one while services run, and back again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.cli.rebuilding.origins import FromLog, FromSnapshot
from services.cli.rebuilding.playing import end_of_log
from services.cli.rebuilding.replacing import replace, restore
from services.cli.rebuilding.telling import Teller
from services.cli.rebuilding.verifying import Verdict, verify
from shared.runtime.errors import PermanentError
from shared.state.files import save_snapshot
from shared.store.scratch import drop_scratch, scratch_names
from tests.integration.allocator.knowing import version_of
from tests.integration.rebuilding.day import Day

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
QUIET = Teller(quiet=True)


async def _spoil(day: Day) -> None:
    """What a defect, or a hand in the database, might have done."""
    await day.quiet()
    pool = day.platform.pool
    nic = await pool.fetchval("SELECT id FROM inventory.nic ORDER BY id LIMIT 1")
    await pool.execute("UPDATE inventory.nic SET vm_name = 'nonsense' WHERE id = $1", nic)
    await pool.execute("DELETE FROM inventory.unmatched")
    await pool.execute(
        "DELETE FROM ipam.subnet_wire WHERE role = 'detected' AND wire_id ="
        " (SELECT min(wire_id::text)::uuid FROM ipam.subnet_wire WHERE role = 'detected')"
    )


async def test_g3_what_was_spoilt_is_found_and_put_right_while_services_run(day: Day) -> None:
    """Each spoilt row is named; after the exchange live equals the log; the spoilt state can be had back."""
    await day.live(4)
    await _spoil(day)
    found = await verify(day.source, FromLog(), QUIET)
    assert found.by_table["inventory.nic"] == 1, found.as_json()
    [name] = [d for d in found.differences if d.table == "inventory.nic"]
    assert (name.column, name.live) == ("vm_name", "nonsense")
    assert found.by_table["inventory.unmatched"] >= 1

    busy = asyncio.create_task(day.live(4))
    replaced = await replace(day.source, FromLog(), QUIET)
    await busy
    assert replaced.rows > 300
    assert (await verify(day.source, FromLog(), QUIET)).equal
    assert await scratch_names(day.platform.database_url) == [replaced.before]

    again = await restore(day.source, replaced.before, QUIET)
    back = await verify(day.source, FromLog(), QUIET)
    assert back.by_table["inventory.unmatched"] >= 1, "the spoilt state is back, with all that came since"
    for kept in (replaced.before, again.before):
        await drop_scratch(day.platform.database_url, kept)
    with pytest.raises(PermanentError, match="no database"):
        await restore(day.source, replaced.before, QUIET)


async def test_what_no_event_tells_stays_through_an_exchange(day: Day) -> None:
    """Samples of subnets' use, full findings, and tokens that must never be given twice."""
    await day.provision()
    pool = day.platform.pool
    await pool.execute(
        "UPDATE placement.request SET findings = '[{\"kept\": true}]'::jsonb WHERE outcome = 'placed'"
    )
    before = await pool.fetchval("SELECT nextval('placement.token')")
    samples = await pool.fetchval("SELECT count(*) FROM placement.subnet_use")
    networks = await version_of(pool)
    replaced = await replace(day.source, FromLog(), QUIET)
    assert await version_of(pool) != networks, "allocators go by nothing that they knew before"
    kept = await pool.fetchval("SELECT count(*) FROM placement.request WHERE findings IS NOT NULL")
    assert kept == await pool.fetchval("SELECT count(*) FROM placement.request WHERE outcome = 'placed'")
    assert await pool.fetchval("SELECT count(*) FROM placement.subnet_use") == samples
    assert await pool.fetchval("SELECT nextval('placement.token')") == before + 1
    await drop_scratch(day.platform.database_url, replaced.before)


async def test_a_log_that_was_cut_is_said_and_a_snapshot_from_before_helps(day: Day, tmp_path: Path) -> None:
    """Without the beginning of the log nothing is made of the rest; with a snapshot all is."""
    await day.live(3)
    await day.quiet()
    # As if the first subnet were from the day before.
    await day.platform.pool.execute("UPDATE ipam.subnet SET created_at = created_at - interval '1 day'")
    file = tmp_path / "state.jsonl.gz"
    end = await end_of_log(day.platform.bus)
    assert end is not None
    await save_snapshot(day.platform.database_url, file, end.offset)
    await day.live(3)
    await day.platform.pool.execute("DELETE FROM bus.message WHERE id < 40")
    with pytest.raises(PermanentError, match="the log starts at") as cut:
        await verify(day.source, FromLog(), QUIET)
    assert cut.value.code == "log_cut"
    assert "--from FILE" in (cut.value.hint or "")
    verdict: Verdict = await verify(day.source, FromSnapshot(file), QUIET)
    assert verdict.equal, verdict.as_json()

    await day.platform.pool.execute("DELETE FROM bus.message WHERE id <= $1 + 20", end.offset)
    await day.platform.pool.execute("UPDATE bus.message SET time = time + interval '1 hour' WHERE logged")
    with pytest.raises(PermanentError, match="what happened in between is lost"):
        await verify(day.source, FromSnapshot(file), QUIET)
    await day.platform.pool.execute("DELETE FROM bus.message WHERE logged")
    with pytest.raises(PermanentError, match=r"the log (is empty|starts at)"):
        await verify(day.source, FromLog(), QUIET)

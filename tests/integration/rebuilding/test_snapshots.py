"""State snapshots: out of one database into another, and up to date by the log."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.allocator.settings import AllocatorSettings
from services.cli.rebuilding.catching_up import catch_up
from services.cli.rebuilding.omitted import OMITTED
from services.cli.rebuilding.playing import end_of_log
from services.cli.rebuilding.telling import Teller
from services.placement.reservation_states import settle
from shared.runtime.errors import PermanentError
from shared.state.comparing import Difference, compare_state
from shared.state.files import check_snapshot, load_snapshot, save_snapshot
from shared.state.positions import Position
from shared.state.tables import CARRIED_SCHEMAS, SCHEMAS, state_tables
from shared.store.connection import connect
from shared.store.migrate import upgrade
from shared.store.pool import open_pool, transaction
from tests.integration.rebuilding.day import Day
from tests.servers.postgres import PrivatePostgres, embedded_binaries

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(240)]
TRIES = 5


async def _differences(one: str, other: str, *, everything: bool) -> list[Difference]:
    schemas = (*SCHEMAS, *CARRIED_SCHEMAS) if everything else SCHEMAS
    ours, theirs = await open_pool(one, name="test"), await open_pool(other, name="test")
    try:
        async with ours.acquire() as left, theirs.acquire() as right, left.transaction(), right.transaction():
            tables = await state_tables(left, schemas)
            omitted = {} if everything else OMITTED
            return [d async for d in compare_state(left, right, tables, omitted)]
    finally:
        ours.terminate()
        theirs.terminate()


def _lines(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).splitlines(keepends=True)


async def test_a_snapshot_goes_round_row_for_row(day: Day, tmp_path: Path, empty_database: str) -> None:
    """Every table, also those of the collector and the audit; a second file of the copy has the same rows."""
    await day.live(3)
    await day.quiet()
    file = tmp_path / "state.jsonl.gz"
    head = await save_snapshot(day.platform.database_url, file, 7)
    assert head.position.end == 7
    assert check_snapshot(file) == head
    assert head.rows > 300
    await upgrade(empty_database)
    still = tmp_path / "still.jsonl.gz"
    await load_snapshot(empty_database, file)
    await save_snapshot(empty_database, still, 7)
    copied = dict(check_snapshot(still).tables)
    assert copied == dict(head.tables)
    assert sorted(_lines(file)[1:-1]) == sorted(_lines(still)[1:-1])


@pytest.fixture(scope="module")
def embedded_server() -> Iterator[PrivatePostgres]:
    """The PostgreSQL that comes with Patchbay, beside the one that tests run on, often of another release."""
    binaries = embedded_binaries()
    if binaries is None:
        pytest.skip("there is no embedded PostgreSQL for this machine")
    server = PrivatePostgres(binaries)
    server.start()
    yield server
    server.stop()


async def test_a_snapshot_travels_between_releases_of_postgresql_and_back(
    day: Day, tmp_path: Path, empty_database: str, embedded_server: PrivatePostgres
) -> None:
    """Such as from 15 to 18 and back: the same rows in all three files, whoever wrote them."""
    await day.live(3)
    await day.quiet()
    there, back = tmp_path / "there.jsonl.gz", tmp_path / "back.jsonl.gz"
    ended = tmp_path / "ended.jsonl.gz"
    head = await save_snapshot(day.platform.database_url, there, 7)
    await upgrade(embedded_server.url)
    await load_snapshot(embedded_server.url, there)
    await save_snapshot(embedded_server.url, back, 7)
    await upgrade(empty_database)
    await load_snapshot(empty_database, back)
    await save_snapshot(empty_database, ended, 7)
    assert head.rows > 300
    assert sorted(_lines(there)[1:-1]) == sorted(_lines(back)[1:-1]) == sorted(_lines(ended)[1:-1])
    assert await _release(embedded_server.url) >= (18, 0)


async def _release(url: str) -> tuple[int, int]:
    conn = await connect(url, name="test")
    try:
        version = conn.get_server_version()
    finally:
        await conn.close()
    return version.major, version.minor


async def test_g3_a_loaded_snapshot_is_brought_up_to_date_by_the_log(
    day: Day, tmp_path: Path, empty_database: str
) -> None:
    """What happened after the snapshot comes from the log; the result is the live state."""
    await day.live(3)
    file = tmp_path / "state.jsonl.gz"
    end = await end_of_log(day.platform.bus)
    assert end is not None
    await save_snapshot(day.platform.database_url, file, end.offset)
    await day.live(3)
    await day.quiet()
    await upgrade(empty_database)
    head = await load_snapshot(empty_database, file, carried=False)
    pool = await open_pool(empty_database, name="test")
    for _ in range(TRIES):
        caught = await catch_up(
            pool, day.platform.bus, head.position, AllocatorSettings(), Teller(quiet=True)
        )
        assert caught.folded > 0
        assert not caught.gap
        assert await pool.fetchval("SELECT count(*) FROM bus.outbox") == 0, "nothing is said a second time"
        async with transaction(pool) as conn:
            await settle(conn)  # what placement does once a second
        different = set(await _differences(day.platform.database_url, empty_database, everything=False))
        # Beats of the vCenter's heart go on in the live one.
        if {d.table for d in different} <= {"inventory.vcenter"}:
            break
        await day.quiet()  # and so does what placement verifies in its own time
    else:
        pytest.fail(f"the states differ: {different}")
    pool.terminate()


async def test_a_full_database_a_broken_file_and_a_foreign_one_are_refused(
    day: Day, tmp_path: Path, empty_database: str
) -> None:
    """Each with its own words, and nothing is left behind."""
    file = tmp_path / "state.jsonl.gz"
    await save_snapshot(day.platform.database_url, file, None)
    with pytest.raises(PermanentError, match="the database is not empty: ") as full:
        await load_snapshot(day.platform.database_url, file)
    assert full.value.code == "not_empty"
    with pytest.raises(PermanentError, match="already") as there:
        await save_snapshot(day.platform.database_url, file, None)
    assert there.value.code == "file_exists"

    await upgrade(empty_database)
    lines = _lines(file)
    bad = {
        "damaged": b"".join([*lines[:-2], lines[-2].replace(b"a", b"b"), lines[-1]]),
        "end is missing": b"".join(lines[:-1]),
        "no snapshot": b'{"format": "other"}\n',
        "format version 2": lines[0].replace(b'"version":1', b'"version":2') + b"".join(lines[1:]),
    }
    for words, content in bad.items():
        other = tmp_path / f"{words}.gz"
        other.write_bytes(gzip.compress(content))
        with pytest.raises(PermanentError, match=words):
            await load_snapshot(empty_database, other)
    half = tmp_path / "half.gz"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(PermanentError, match="damaged"):
        await load_snapshot(empty_database, half)
    plain = tmp_path / "plain"
    plain.write_text("hello")
    with pytest.raises(PermanentError, match="not compressed"):
        check_snapshot(plain)
    await load_snapshot(empty_database, file)


async def test_g9_no_secret_is_in_a_snapshot(day: Day, tmp_path: Path) -> None:
    """Where the password is, yes; the password, no."""
    file = tmp_path / "state.jsonl.gz"
    await save_snapshot(day.platform.database_url, file, None)
    text = b"".join(_lines(file)).decode()
    assert '"password_ref": "file:' in text
    assert f'"{day.simulator.settings.password.get_secret_value()}"' not in text


def test_a_position_says_from_where() -> None:
    """None is the beginning."""
    assert Position(since=None).end is None

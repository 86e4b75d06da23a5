"""Replays into files, and files played back: each event once, whatever broke off (G2)."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from shared.bus.port import Bus, Message
from shared.replay import jobs
from shared.replay.files import EventWriter, count_events, read_events
from shared.replay.plan import Plan, Progress, Replay, Target
from shared.replay.running import WINDOW
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool
from tests.integration.replay.story import (
    MINE,
    beats,
    begun,
    drained,
    ids,
    log_of,
    order,
    plan_of,
    played,
    with_queues,
)

FOREIGN = Message(b"\xff\x00", "stranger.says", "s-1", headers={"count": 1}, content_type="text/plain")


async def into_file(bus: Bus, pool: Pool, path: Path) -> Replay:
    """A replay of the whole log into a new file, at its beginning."""
    writer = EventWriter.create(path, {})
    return await begun(pool, await plan_of(bus, Target(file=str(path))), writer.size)


def pause(_: Progress, stop: asyncio.Event) -> None:
    """Stops a replay after its first window."""
    stop.set()


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
async def test_a_file_holds_every_message_as_it_was(bus: Bus, pool: Pool, tmp_path: Path, name: str) -> None:
    await bus.publish([*beats(3), order(), FOREIGN])
    path = tmp_path / name
    await played(bus, pool, await into_file(bus, pool, path))
    assert [entry for _, entry in read_events(path)] == await log_of(bus)
    assert count_events(path) == 5


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
async def test_g2_a_file_that_broke_off_goes_on_with_each_event_once(
    bus: Bus, pool: Pool, tmp_path: Path, name: str
) -> None:
    await bus.publish(beats(2 * WINDOW + 7))
    path = tmp_path / name
    replay = await into_file(bus, pool, path)
    await played(bus, pool, replay, pause)
    with path.open("ab") as file:
        file.write(b'{"offset": 99, "half a li')  # what a dying process left behind its remembered place
    await played(bus, pool, await jobs.find(pool, replay.id))
    assert [entry for _, entry in read_events(path)] == await log_of(bus)


async def test_a_file_is_played_back_into_a_queue_and_resumed(bus: Bus, pool: Pool, tmp_path: Path) -> None:
    await bus.publish([*beats(WINDOW + 20), order()])
    path = tmp_path / "log.jsonl.gz"
    await played(bus, pool, await into_file(bus, pool, path))
    await with_queues(bus)
    plan = Plan(file=str(path), first=1, last=count_events(path), target=Target(queue=MINE))
    replay = await begun(pool, plan)
    await played(bus, pool, replay, pause)
    assert (await played(bus, pool, await jobs.find(pool, replay.id))).sent == WINDOW + 20
    assert ids(await drained(bus, MINE)) == [f"1-{number}" for number in range(1, WINDOW + 21)]


async def test_what_is_in_front_of_damage_is_played_and_the_line_named(
    bus: Bus, pool: Pool, tmp_path: Path
) -> None:
    await bus.publish(beats(4))
    path = tmp_path / "log.jsonl"
    await played(bus, pool, await into_file(bus, pool, path))
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*whole[:3], whole[3][:40] + b"\n", whole[4]]))
    await with_queues(bus)
    replay = await begun(pool, Plan(file=str(path), first=1, last=4, target=Target(queue=MINE)))
    with pytest.raises(PermanentError, match=r"line 4 of .*log\.jsonl can't be read: not JSON") as caught:
        await played(bus, pool, replay)
    assert caught.value.code == "file_damaged"
    assert ids(await drained(bus, MINE)) == ["1-1", "1-2"]
    path.write_bytes(b"".join(whole))
    await played(bus, pool, await jobs.find(pool, replay.id))
    assert ids(await drained(bus, MINE)) == ["1-3", "1-4"]


async def test_a_compressed_file_that_was_cut_off_says_so(bus: Bus, pool: Pool, tmp_path: Path) -> None:
    await bus.publish(beats(50))
    path = tmp_path / "log.jsonl.gz"
    await played(bus, pool, await into_file(bus, pool, path))
    path.write_bytes(path.read_bytes()[:-30])
    assert count_events(path) >= 1
    with pytest.raises(PermanentError, match="damaged or cut off"):
        list(read_events(path))


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    there = tmp_path / "there.jsonl"
    there.write_text("{}\n")
    for work, code in (
        (lambda: EventWriter.create(there, {}), "file_exists"),
        (lambda: EventWriter.create(tmp_path / "no" / "folder.jsonl", {}), "file_unwritable"),
        (lambda: EventWriter.resume(there, 1000), "file_changed"),
        (lambda: list(read_events(there)), "file_foreign"),
        (lambda: list(read_events(tmp_path / "nothing")), "file_unreadable"),
    ):
        with pytest.raises(PermanentError) as caught:
            work()
        assert caught.value.code == code
    newer = tmp_path / "newer.jsonl.gz"
    newer.write_bytes(gzip.compress(b'{"format":"patchbay.events","version":2}\n'))
    with pytest.raises(PermanentError, match="reads version 1"):
        count_events(newer)

"""Reading the log: from everywhere, to its end, or on and on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from shared.bus.port import Bus, LogEntry, LogStart
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import entries, job, jobs, numbers


async def test_from_the_first_in_order(bus: Bus) -> None:
    await bus.publish(jobs(700))
    await bus.publish([job(700, "other.key")])
    read = await entries(bus, "first")
    assert numbers(read) == list(range(701))
    offsets = [entry.offset for entry in read]
    assert offsets == sorted(set(offsets))
    assert read[700].message == job(700, "other.key")


@pytest.mark.parametrize("start", ["first", "last", "next", 0, 5, datetime(2020, 1, 1, tzinfo=UTC)])
async def test_an_empty_log_ends_at_once(bus: Bus, start: LogStart) -> None:
    assert await entries(bus, start) == []


async def test_the_last_is_one_entry(bus: Bus) -> None:
    await bus.publish(jobs(250))
    assert numbers(await entries(bus, "last")) == [249]
    for _ in range(3):
        assert numbers(await entries(bus, "last")) == [249]
    await bus.publish([job(250)])
    assert numbers(await entries(bus, "last")) == [250]


async def test_next_is_nothing_yet(bus: Bus) -> None:
    await bus.publish(jobs(3))
    assert await entries(bus, "next") == []


async def test_from_an_offset_inclusive(bus: Bus) -> None:
    await bus.publish(jobs(20))
    all_of_it = await entries(bus, "first")
    assert await entries(bus, all_of_it[13].offset) == all_of_it[13:]
    assert await entries(bus, all_of_it[19].offset) == all_of_it[19:]
    assert await entries(bus, all_of_it[19].offset + 1) == []
    assert await entries(bus, all_of_it[19].offset + 10**6) == []
    assert await entries(bus, 0) == all_of_it


async def test_from_a_time_inclusive(bus: Bus) -> None:
    await bus.publish(jobs(5))
    await asyncio.sleep(0.05)
    await bus.publish(jobs(5, 5))
    await asyncio.sleep(0.05)
    await bus.publish(jobs(5, 10))
    all_of_it = await entries(bus, "first")
    assert numbers(await entries(bus, all_of_it[5].time)) == list(range(5, 15))
    assert numbers(await entries(bus, all_of_it[4].time + timedelta(milliseconds=20))) == list(range(5, 15))
    assert await entries(bus, datetime(2020, 1, 1, tzinfo=UTC)) == all_of_it
    assert await entries(bus, datetime.now(UTC) + timedelta(days=1)) == []
    times = [entry.time for entry in all_of_it]
    assert times == sorted(times)
    assert abs(times[-1] - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("start", "expected"),
    [("first", [0, 1, 2, 3, 4, 5]), ("last", [2, 3, 4, 5]), ("next", [3, 4, 5])],
)
async def test_following_goes_on(bus: Bus, open_bus: OpenBus, start: LogStart, expected: list[int]) -> None:
    await bus.publish(jobs(3))
    other = await open_bus()
    read: list[LogEntry] = []
    attached = asyncio.Event()

    async def follow() -> None:
        log = cast("Any", bus.read_log(start, follow=True))
        async with aclosing(log) as following:
            first = asyncio.ensure_future(anext(following))
            await asyncio.wait([first], timeout=1)
            attached.set()
            read.append(await first)
            while len(read) < len(expected):
                read.append(await anext(following))

    following = asyncio.create_task(follow())
    await attached.wait()
    for number in range(3, 6):
        await other.publish([job(number)])
    await following
    assert numbers(read) == expected


async def test_following_from_beyond_the_end_waits_for_that_offset(bus: Bus) -> None:
    await bus.publish(jobs(3))
    last = (await entries(bus, "last"))[0].offset
    following = asyncio.create_task(_first_of(bus, last + 12))
    while not following.done():
        await bus.publish(jobs(1, last))
        await asyncio.sleep(0.01)
    assert (await following).offset >= last + 12


async def _first_of(bus: Bus, start: int) -> LogEntry:
    async with aclosing(cast("Any", bus.read_log(start, follow=True))) as following:
        first: LogEntry = await anext(following)
        return first


async def test_reading_while_others_publish_skips_nothing(bus: Bus, open_bus: OpenBus) -> None:
    others = [await open_bus() for _ in range(3)]

    async def publish(one: Bus, start: int) -> None:
        for number in range(0, 200, 10):
            await one.publish(jobs(10, start + number))

    publishing = asyncio.gather(*(publish(one, 1000 * place) for place, one in enumerate(others)))
    read: list[LogEntry] = []
    async with aclosing(cast("Any", bus.read_log("first", follow=True))) as following:
        while len(read) < 600:
            read.append(await anext(following))
    await publishing
    assert len(set(numbers(read))) == 600
    assert read == await entries(bus, "first")

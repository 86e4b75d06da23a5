"""G3: a log played twice and in any order, through a file, leaves the identical state, row by row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.topology import ALLOCATOR_FACTS, TOPOLOGY
from shared.replay.files import EventWriter, read_events
from shared.replay.plan import Plan, Target
from shared.runtime.consuming import Received, consume
from shared.store.pool import Pool, open_pool
from tests.integration.replay.generated import differences, facts, messages, rows, with_subnets
from tests.integration.replay.story import begun, plan_of, played

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]


async def taken(bus: Bus, pool: Pool, count: int, *, apart: bool) -> None:
    """Let an allocator, whose subnets are made, take `count` facts from its queue."""
    allocator = await with_subnets(pool, apart=apart)
    stop = asyncio.Event()
    left = count

    async def handler(received: Sequence[Received]) -> None:
        nonlocal left
        await allocator.facts(received)
        left -= len(received)
        if left <= 0:
            stop.set()

    await consume(bus, ALLOCATOR_FACTS, handler, stop=stop, name="test")


@pytest.mark.parametrize(("count", "apart"), [(20_000, True), (4_000, False)])
async def test_g3_a_log_twice_and_shuffled_leaves_the_identical_database(
    database: str, pool: Pool, second_database: str, tmp_path: Path, count: int, apart: bool
) -> None:
    here = await connect_bus(amqp_url=None, database_url=database, name="here")
    there = await connect_bus(amqp_url=None, database_url=second_database, name="there")
    other = await open_pool(second_database, name="there")
    try:
        await here.declare(TOPOLOGY)
        await there.declare(TOPOLOGY)
        await here.publish(messages(list(facts(count, apart=apart))))
        await taken(here, pool, count, apart=apart)

        whole, mixed = tmp_path / "whole.jsonl.gz", tmp_path / "mixed.jsonl.gz"
        writer = EventWriter.create(whole, {})
        await played(here, pool, await begun(pool, await plan_of(here, Target(file=str(whole))), writer.size))
        twice = [entry for _, entry in read_events(whole)] * 2
        Random(3).shuffle(twice)  # noqa: S311  the same order in every run
        EventWriter.create(mixed, {}).write(twice)
        plan = Plan(file=str(mixed), first=1, last=len(twice), target=Target(queue=ALLOCATOR_FACTS))
        assert (await played(there, other, await begun(other, plan))).sent == 2 * count
        await taken(there, other, 2 * count, apart=apart)

        assert (await rows(pool))["inventory.nic"] > 100
        assert [row async for row in differences(pool, other)] == []
    finally:
        await here.close()
        await there.close()
        other.terminate()

"""G2, G3, G8: allocators in processes of their own, on one RabbitMQ queue, one of them killed at work."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.bus.port import Bus, Message
from shared.bus.rabbitmq import connect
from shared.events.topology import ALLOCATOR_FACTS, TOPOLOGY
from shared.runtime.publishing import message_of
from shared.store.pool import Pool
from tests.contract.bus.samples import collect
from tests.integration.allocator.story import Stage, Teller
from tests.integration.allocator.test_sharing import busy_day, staged, wipe

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[3]
PROCESSES = 3


@asynccontextmanager
async def allocators(database: str, amqp: str) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """So many allocators, as the service is started."""
    environment = {
        **os.environ,
        "PATCHBAY_DATABASE_URL": database,
        "PATCHBAY_AMQP_URL": amqp,
        "PATCHBAY_ALLOCATOR__BATCH": "5",
        "PATCHBAY_LOG__LEVEL": "warning",
    }
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.allocator", cwd=ROOT, env=environment
        )
        for _ in range(PROCESSES)
    ]
    try:
        yield running
    finally:
        for process in running:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def until_consumers(bus: Bus, count: int) -> None:
    """Until so many consume the facts."""
    for _ in range(600):
        if (await bus.state(ALLOCATOR_FACTS)).consumers == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the allocators do not start")


async def until_equal(stage: Stage, expected: dict[str, list[str]]) -> None:
    """Until every table is as expected."""
    for _ in range(300):
        found = await stage.dump()
        if all(found[table] == rows for table, rows in expected.items()):
            return
        await asyncio.sleep(0.2)
    for table, rows in expected.items():
        assert found[table] == rows, table


async def test_g3_processes_that_share_a_queue_come_to_the_state_of_one(
    pool: Pool, database: str, rabbitmq_url: str
) -> None:
    """A message that nobody can read, in the middle of a batch, costs itself alone (G8)."""
    alone = await staged(pool)
    facts = busy_day(Teller(epoch=2))
    await alone.each(facts)
    expected = await alone.dump()
    await wipe(pool)
    await staged(pool)
    messages = [message_of(fact) for fact in facts]
    messages.insert(len(messages) // 2, Message(b"{", "guest.addresses.changed.-.-", "broken"))
    shuffled = random.Random(5)  # noqa: S311  a reproducible order
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(TOPOLOGY)
    async with allocators(database, rabbitmq_url) as running:
        await until_consumers(bus, PROCESSES)
        for _ in range(2):
            # Everything twice, in another order; one process dies in between.
            shuffled.shuffle(messages)
            await bus.publish(messages)
            if running[0].returncode is None:
                running[0].kill()
        await until_equal(alone, expected)
        for _ in range(300):
            letters = await collect(bus.dead_letters())
            if len(letters) == 2:
                break
            await asyncio.sleep(0.1)
    assert {letter.message.message_id for letter in letters} == {"broken"}
    await bus.close()

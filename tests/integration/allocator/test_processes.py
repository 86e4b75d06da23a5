"""G2, G3, G8: allocators in processes of their own, on one RabbitMQ queue, one of them killed at work."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.allocator.decisions import APPLIERS
from shared.bus.port import Bus, Message
from shared.bus.rabbitmq import connect
from shared.events.codec import decode
from shared.events.topology import ALLOCATOR_COMMANDS, ALLOCATOR_FACTS, TOPOLOGY
from shared.ipam.ledger import reclaim
from shared.runtime.publishing import message_of
from shared.store.pool import Pool, transaction
from tests.contract.bus.samples import collect
from tests.integration.allocator.story import Stage, Teller
from tests.integration.allocator.test_decisions_among_many import Accepted, plan, run_alone
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
        # The stories are old by the clock; what is forgotten for that is none of their facts' doing.
        "PATCHBAY_ALLOCATOR__HISTORY_DAYS": "3650",
        "PATCHBAY_ALLOCATOR__SIGHTING_DAYS": "3650",
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


async def until_done(pool: Pool, bus: Bus, commands: int) -> None:
    """Until every command is answered, nothing waits in a queue, and all that was told is published."""
    for _ in range(600):
        answered = await pool.fetchval("SELECT count(*) FROM audit.command")
        waiting = sum([(await bus.state(queue)).ready for queue in (ALLOCATOR_FACTS, ALLOCATOR_COMMANDS)])
        unpublished = await pool.fetchval("SELECT count(*) FROM bus.outbox")
        if answered == commands and not waiting and not unpublished:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the allocators do not come to an end")


async def rested(pool: Pool) -> dict[str, list[str]]:
    """The state without the addresses that have rested: processes forget them now and then, by the clock."""
    async with transaction(pool) as conn:
        subnets = [row["id"] for row in await conn.fetch("SELECT id FROM ipam.subnet")]
        await reclaim(conn, subnets, datetime.now(UTC))
    return await Stage(pool).dump()


@pytest.mark.parametrize("seed", [11, 12])
async def test_g1_g3_processes_with_decisions_among_the_facts_come_to_the_state_of_one(
    pool: Pool, database: str, rabbitmq_url: str, seed: int
) -> None:
    """Decisions are taken from the log, in its order: what a rebuild would have. One process dies."""
    dice = random.Random(seed)  # noqa: S311
    schedule = plan(dice)
    messages = [message_of(envelope) for job in schedule.jobs for envelope in job]
    commands = {m.message_id for m in messages if m.type.startswith("command.")}
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(TOPOLOGY)
    async with allocators(database, rabbitmq_url) as running:
        await until_consumers(bus, PROCESSES)
        await bus.publish(messages)
        running[0].kill()
        await until_done(pool, bus, len(commands))
    # What a process had taken and not acknowledged when it was told to stop is in the queue again.
    async with allocators(database, rabbitmq_url):
        await until_consumers(bus, PROCESSES)
        await until_done(pool, bus, len(commands))
    among_many = await rested(pool)
    told = [decode(entry.message.body) async for entry in bus.read_log("first", follow=False)]
    decisions = [envelope for envelope in told if type(envelope.data) in APPLIERS]
    # How many are refused depends on which facts were applied by then; enough are not, to mean something.
    assert len(decisions) > 4
    await run_alone(pool, schedule.facts, Accepted(len(commands), decisions), dice)
    alone = await rested(pool)
    for table, rows in alone.items():
        differ = set(rows) ^ set(among_many[table])
        assert not differ, f"{table}: " + "\n".join(sorted(differ))
    await bus.close()


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

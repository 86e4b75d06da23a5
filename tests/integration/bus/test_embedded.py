"""The embedded bus alone: what it forgets, and what becomes of processes that vanish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.bus import embedded_log
from shared.bus.embedded import EmbeddedBus, connect
from shared.bus.embedded_retention import sweep
from shared.bus.port import BusLost, NoReply, PublishFailed, Unroutable
from shared.events.topology import Queue, Topology
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool
from tests.contract.bus.samples import DEAD, SMALL, STREAM, WORK, entries, job, jobs, numbers, take
from tests.contract.bus.test_requests import answer, question

pytestmark = pytest.mark.postgres


@pytest.fixture
async def bus(database: str) -> AsyncIterator[EmbeddedBus]:
    bus = await connect(database, name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


async def stored(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM bus.message")
    return count


async def test_the_log_forgets_by_age_and_queues_do_not(bus: EmbeddedBus, pool: Pool) -> None:
    await bus.publish(jobs(10))
    await bus.publish([job(10, "other")])
    await pool.execute("UPDATE bus.message SET time = time - interval '2 hours' WHERE id < 11")
    await bus.publish([job(11, "other")])
    assert await sweep(pool) == 0
    assert numbers(await entries(bus, "first")) == [10, 11]
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 10)
        assert numbers(deliveries) == list(range(10))
        await consumer.ack(deliveries[-1])
    assert await sweep(pool) == 10
    assert await stored(pool) == 2


async def test_the_log_forgets_by_size(database: str, pool: Pool) -> None:
    bus = await connect(database, name="test")
    small = Queue("patchbay.log", ("#",), "stream", delivery_limit=None, dead_letter=None, max_bytes=10)
    await bus.declare(Topology(queues=(small,)))
    await bus.publish(jobs(10, 10))
    assert await sweep(pool) == 5
    assert numbers(await entries(bus, "first")) == [15, 16, 17, 18, 19]
    offsets = [entry.offset for entry in await entries(bus, "first")]
    await bus.publish(jobs(1, 20))
    assert (await entries(bus, "last"))[0].offset == offsets[-1] + 1
    await bus.close()


async def test_there_is_a_last_entry_though_another_comes_while_it_is_looked_for(
    bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bus.publish(jobs(3))
    looked_up = embedded_log._end

    async def and_another_comes(connection: Connection) -> int:
        end = await looked_up(connection)
        await bus.publish([job(3)])
        return end

    monkeypatch.setattr(embedded_log, "_end", and_another_comes)
    assert numbers(await entries(bus, "last")) == [2]


async def test_what_is_in_no_queue_and_no_log_is_not_kept(database: str, pool: Pool) -> None:
    bus = await connect(database, name="test")
    await bus.declare(Topology(queues=(DEAD, Queue(WORK, ("job.#",)))))
    await bus.publish(jobs(5))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 5)
        await consumer.dead_letter(deliveries[0], "bad", "kept for somebody to look at")
        await consumer.ack(deliveries[-1])
    assert await sweep(pool) == 4
    assert [letter.message async for letter in bus.dead_letters()] == [job(0)]
    await bus.close()


async def test_an_answer_to_a_process_that_vanished_is_unroutable(bus: EmbeddedBus, database: str) -> None:
    requester = await connect(database, name="requester")
    with pytest.raises(NoReply):
        await requester.request(question(1), timedelta(milliseconds=300))
    (await requester.session()).break_off()
    async with bus.consume("asked") as consumer:
        (delivery,) = await take(consumer, 1)
        with pytest.raises(Unroutable):
            await bus.publish([answer(delivery.message)], to_queue=True)
    await requester.close()


async def test_g2_who_was_taken_for_dead_can_not_acknowledge(bus: EmbeddedBus, database: str) -> None:
    other = await connect(database, name="other")
    await bus.publish(jobs(3))

    async def lose_the_session() -> None:
        async with other.consume(WORK) as consumer:
            held = await take(consumer, 3)
            (await other.session()).break_off()
            async with bus.consume(WORK) as successor:
                assert numbers(await take(successor, 3)) == [0, 1, 2]
                await consumer.ack(held[-1])

    with pytest.raises(BusLost):
        await lose_the_session()
    async with other.consume(WORK) as consumer:
        assert numbers(await take(consumer, 3)) == [0, 1, 2]
    await other.close()


async def test_publishing_survives_ended_sessions(bus: EmbeddedBus, pool: Pool) -> None:
    for number in range(5):
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while True:
            try:
                await bus.publish([job(number)])
                break
            except PublishFailed:
                await asyncio.sleep(0.02)
    async with bus.consume(WORK) as consumer:
        assert set(numbers(await take(consumer, 5))) == set(range(5))


async def test_temporary_queues_go_with_their_process(bus: EmbeddedBus, database: str, pool: Pool) -> None:
    other = await connect(database, name="other")
    async with other.subscribe(["#"]) as _:
        await bus.publish(jobs(2))
        (await other.session()).break_off()
        async with asyncio.timeout(30):  # the server takes its time to notice
            while await pool.fetchval("SELECT count(*) FROM bus.queue WHERE owner IS NOT NULL"):
                await bus.state(WORK)
        assert await pool.fetchval("SELECT count(*) FROM bus.delivery") == 2
    await other.close()


async def test_a_second_log_is_refused(bus: EmbeddedBus) -> None:
    with pytest.raises(ValueError, match="one log"):
        await bus.declare(Topology(queues=(STREAM, Queue("second.log", kind="stream"))))


async def test_a_database_without_the_schema_is_refused_with_the_remedy(empty_database: str) -> None:
    with pytest.raises(PermanentError) as caught:
        await connect(empty_database, name="test")
    assert caught.value.hint is not None
    assert "patchbay db upgrade" in caught.value.hint

"""G8: what can't be handled ends in the dead-letter queue with its reason, and can be looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.port import (
    DETAIL_HEADER,
    QUEUE_HEADER,
    REASON_HEADER,
    Bus,
    Unroutable,
)
from shared.events.topology import DEAD_LETTER_QUEUE, Queue, Topology
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import (
    LIMIT,
    WORK,
    collect,
    eventually,
    job,
    jobs,
    nothing_comes,
    numbers,
    take,
)


async def test_g8_a_dead_letter_says_why_and_where_from(bus: Bus) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    await bus.publish(jobs(2))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 2)
        await consumer.dead_letter(deliveries[0], "unknown_type", "type is 'ümlaut'")
        await consumer.ack(deliveries[1])
    (letter,) = await collect(bus.dead_letters())
    assert letter.message == job(0)
    assert (letter.reason, letter.detail, letter.queue) == ("unknown_type", "type is 'ümlaut'", WORK)
    assert letter.since is not None
    assert before <= letter.since <= datetime.now(UTC) + timedelta(seconds=2)
    async with bus.consume(WORK) as consumer:
        assert await nothing_comes(consumer)


async def test_g8_beyond_the_delivery_limit_a_message_is_dead(bus: Bus) -> None:
    await bus.publish(jobs(2))
    attempts: list[int] = []
    async with bus.consume(WORK) as consumer:
        while len(attempts) <= LIMIT:
            for delivery in await consumer.batch(2):
                if delivery.message == job(0):
                    attempts.append(delivery.attempt)
                    await consumer.requeue(delivery)
                else:
                    await consumer.ack(delivery)
        assert await nothing_comes(consumer)
    assert attempts == list(range(1, LIMIT + 2))
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
    (letter,) = await collect(bus.dead_letters())
    assert (letter.message, letter.reason, letter.queue) == (job(0), "delivery_limit", WORK)
    assert letter.since is not None


async def test_g8_a_consumer_that_leaves_too_often_kills_what_it_held(bus: Bus) -> None:
    await bus.publish(jobs(1))
    for attempt in range(1, LIMIT + 2):
        async with bus.consume(WORK) as consumer:
            (delivery,) = await take(consumer, 1)
            assert delivery.attempt == attempt
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)


async def test_looking_takes_nothing(bus: Bus) -> None:
    await bus.publish(jobs(30))
    async with bus.consume(WORK) as consumer:
        for delivery in await take(consumer, 30):
            await consumer.dead_letter(delivery, "bad", str(delivery.attempt))
    for _ in range(25):
        assert numbers(await collect(bus.dead_letters())) == list(range(30))
        await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 30)
    async for letter in bus.dead_letters():
        assert numbers([letter]) == [0]
        break
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 30)


async def test_dead_letters_can_be_consumed_with_their_reasons(bus: Bus) -> None:
    await bus.publish(jobs(2))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 2)
        await consumer.dead_letter(deliveries[0], "bad", "very")
        await consumer.ack(deliveries[1])
    async with bus.consume(DEAD_LETTER_QUEUE) as consumer:
        (dead,) = await take(consumer, 1)
        assert dead.message.routing_key == job(0).routing_key
        assert dead.message.headers[REASON_HEADER] == "bad"
        assert dead.message.headers[DETAIL_HEADER] == "very"
        assert dead.message.headers[QUEUE_HEADER] == WORK
        await consumer.ack(dead)
    assert await collect(bus.dead_letters()) == []


async def test_the_broker_s_own_dead_letters_say_why_too(bus: Bus) -> None:
    await bus.publish(jobs(1))
    for _ in range(LIMIT + 1):
        async with bus.consume(WORK) as consumer:
            await take(consumer, 1)
    async with bus.consume(DEAD_LETTER_QUEUE) as consumer:
        (dead,) = await take(consumer, 1)
        assert dead.message.headers[REASON_HEADER] == "delivery_limit"
        assert dead.message.headers[QUEUE_HEADER] == WORK


async def test_without_a_dead_letter_queue_the_message_stays(open_bus: OpenBus) -> None:
    bus = await open_bus()
    await bus.declare(Topology(queues=(Queue(WORK, ("job.#",)),)))
    assert await collect(bus.dead_letters()) == []
    await bus.publish(jobs(1))
    async with bus.consume(WORK) as consumer:
        (delivery,) = await take(consumer, 1)
        with pytest.raises(Unroutable):
            await consumer.dead_letter(delivery, "bad", "very")
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 1)) == [0]

"""Consuming: batches, acknowledgements, what comes back and when."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from shared.bus.port import Bus
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import (
    SOON,
    WORK,
    eventually,
    job,
    jobs,
    nothing_comes,
    numbers,
    take,
)


async def test_batches_are_ordered_and_one_ack_settles_all(bus: Bus) -> None:
    await bus.publish(jobs(500))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 500)
        assert numbers(deliveries) == list(range(500))
        assert {(delivery.attempt, delivery.queue) for delivery in deliveries} == {(1, WORK)}
        await consumer.ack(deliveries[-1])
    async with bus.consume(WORK) as consumer:
        assert await nothing_comes(consumer)


async def test_a_batch_has_no_more_than_its_limit(bus: Bus) -> None:
    await bus.publish(jobs(10))
    async with bus.consume(WORK) as consumer:
        first = await consumer.batch(3)
        assert 1 <= len(first) <= 3
        rest = await take(consumer, 10 - len(first))
        assert numbers([*first, *rest]) == list(range(10))


async def test_lingering_collects_what_comes_a_little_later(bus: Bus) -> None:
    async with bus.consume(WORK) as consumer:
        waiting = asyncio.create_task(consumer.batch(5, timedelta(seconds=30)))
        for number in range(5):
            await bus.publish([job(number)])
        assert numbers(await waiting) == [0, 1, 2, 3, 4]
        await bus.publish([job(5)])
        assert numbers(await consumer.batch(5, SOON)) == [5]


async def test_what_was_acknowledged_in_part_comes_back_in_part(bus: Bus) -> None:
    await bus.publish(jobs(6))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 6)
        await consumer.ack(deliveries[2])
    async with bus.consume(WORK) as consumer:
        again = await take(consumer, 3)
        assert numbers(again) == [3, 4, 5]
        assert {delivery.attempt for delivery in again} == {2}


async def test_an_ack_passes_over_what_was_settled_before(bus: Bus) -> None:
    await bus.publish(jobs(5))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 5)
        await consumer.dead_letter(deliveries[1], "bad", "one in the middle")
        await consumer.dead_letter(deliveries[4], "bad", "the last")
        await consumer.ack(deliveries[4])
        await consumer.ack(deliveries[4])
        await bus.publish([job(5)])
        assert numbers(await take(consumer, 1)) == [5]
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 1)) == [5]


async def test_requeued_comes_again_with_the_next_attempt(bus: Bus) -> None:
    await bus.publish(jobs(3))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 3)
        await consumer.requeue(deliveries[1])
        await consumer.ack(deliveries[2])
        (again,) = await take(consumer, 1)
        assert (numbers([again]), again.attempt) == ([1], 2)


async def test_prefetch_bounds_what_is_unsettled(bus: Bus) -> None:
    await bus.publish(jobs(10))
    async with bus.consume(WORK, prefetch=4) as consumer:
        held = await take(consumer, 4)
        assert await nothing_comes(consumer)
        await consumer.ack(held[-1])
        assert numbers(await take(consumer, 4)) == [4, 5, 6, 7]


async def test_cancelling_a_batch_loses_nothing(bus: Bus) -> None:
    async with bus.consume(WORK) as consumer:
        taken: list[int] = []
        for number in range(40):
            waiting = asyncio.create_task(consumer.batch(10))
            if number % 2:
                await asyncio.sleep(0)
            publishing = asyncio.create_task(bus.publish([job(number)]))
            await asyncio.sleep(0.002 * (number % 5))
            waiting.cancel()
            outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
            if isinstance(outcome, list):
                taken += numbers(outcome)
            await publishing
        while len(taken) < 40:
            taken += numbers(await consumer.batch(40))
        assert taken == list(range(40))


async def test_two_consumers_share_a_queue(bus: Bus, open_bus: OpenBus) -> None:
    await bus.publish(jobs(600))
    both_have_some = asyncio.Barrier(2)

    async def work(mine: Bus) -> list[int]:
        async with mine.consume(WORK, prefetch=50) as consumer:
            deliveries = await consumer.batch(20)
            await both_have_some.wait()
            await consumer.ack(deliveries[-1])
            done = numbers(deliveries)
            try:
                while True:
                    async with asyncio.timeout(2):
                        deliveries = await consumer.batch(20)
                    await consumer.ack(deliveries[-1])
                    done += numbers(deliveries)
            except TimeoutError:
                return done

    first, second = await asyncio.gather(work(bus), work(await open_bus()))
    assert first
    assert second
    assert sorted(first + second) == list(range(600))


async def test_an_ordered_queue_has_one_active_consumer(bus: Bus, open_bus: OpenBus) -> None:
    other = await open_bus()
    await bus.publish([job(number, "step.x") for number in range(4)])
    async with other.consume("ordered") as second:
        async with bus.consume("ordered") as _:
            deliveries = await take(second, 4)
            await second.ack(deliveries[1])
        assert numbers(deliveries) == [0, 1, 2, 3]
    async with bus.consume("ordered") as third:
        assert numbers(await take(third, 2)) == [2, 3]


async def test_an_ordered_queue_passes_on_to_who_waits(bus: Bus, open_bus: OpenBus) -> None:
    other = await open_bus()
    async with bus.consume("ordered") as waiting, other.consume("ordered") as late:
        await bus.publish([job(number, "step.x") for number in range(3)])
        assert await nothing_comes(late)
        assert numbers(await take(waiting, 3)) == [0, 1, 2]
    await eventually(bus, "ordered", lambda state: state.ready == 3)


async def test_the_state_of_a_queue(bus: Bus) -> None:
    await bus.publish(jobs(7))
    assert (await eventually(bus, WORK, lambda state: state.ready == 7)).consumers == 0
    async with bus.consume(WORK) as consumer:
        await take(consumer, 7)
        await eventually(bus, WORK, lambda state: (state.ready, state.consumers) == (0, 1))
    await eventually(bus, WORK, lambda state: (state.ready, state.consumers) == (7, 0))


async def test_a_subscription_sees_its_topics_while_it_lasts(bus: Bus, open_bus: OpenBus) -> None:
    other = await open_bus()
    async with bus.subscribe(["job.a.*", "news.#"]) as one, other.subscribe(["#"]) as all_of_it:
        await bus.publish([job(1), job(2, "job.a.x"), job(3, "news.y.z"), job(4, "news.job.a")])
        assert numbers(await take(one, 3)) == [2, 3, 4]
        everything = await take(all_of_it, 4)
        assert numbers(everything) == [1, 2, 3, 4]
        await all_of_it.ack(everything[-1])
    await bus.publish([job(5)])


async def test_one_is_acknowledged_alone(bus: Bus) -> None:
    await bus.publish(jobs(3))
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 3)
        await consumer.ack_one(deliveries[1])
        await consumer.ack_one(deliveries[1])
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 2)) == [0, 2]
        assert await nothing_comes(consumer)

"""Publishing: confirmed, or known not to be."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.bus.port import Bus, Message, Unroutable
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import SMALL, UNLOGGED, WORK, entries, job, jobs, numbers, take


async def test_two_thousand_in_one_call_arrive_in_their_order(bus: Bus) -> None:
    await bus.publish(jobs(2000))
    async with bus.consume(WORK, prefetch=2000) as consumer:
        assert numbers(await take(consumer, 2000)) == list(range(2000))


async def test_nothing_to_publish_is_fine(bus: Bus) -> None:
    await bus.publish([])


async def test_every_field_survives(bus: Bus) -> None:
    sent = Message(
        body=bytes(range(256)),
        routing_key="job.a.b",
        message_id="id-1",
        type="vm.create.requested",
        subject="vm/ß",
        content_type="application/cloudevents+json",
        correlation_id="c-1",
        reply_to="somewhere",
        headers={"text": "ü", "number": 7, "big": 2**40, "yes": True},
    )
    bare = Message(body=b"", routing_key="job", message_id="id-2")
    await bus.publish([sent, bare])
    async with bus.consume(WORK) as consumer:
        assert [delivery.message for delivery in await take(consumer, 2)] == [sent, bare]
    assert [entry.message for entry in await entries(bus, "first")] == [sent, bare]


async def test_a_large_body_survives(bus: Bus) -> None:
    sent = replace(job(0), body=b"x" * (3 * 1024 * 1024))
    await bus.publish([sent, job(1)])
    async with bus.consume(WORK) as consumer:
        assert [delivery.message for delivery in await take(consumer, 2)] == [sent, job(1)]


async def test_unroutable_names_the_guilty_and_the_rest_is_confirmed(open_bus: OpenBus) -> None:
    bus = await open_bus()
    await bus.declare(UNLOGGED)
    with pytest.raises(Unroutable) as caught:
        await bus.publish([job(0), job(1, "lost.x"), job(2), job(3, "lost.y")])
    assert caught.value.indices == (1, 3)
    assert caught.value.keys == ("lost.x", "lost.y")
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 2)) == [0, 2]


async def test_the_same_id_twice_in_a_window_is_unroutable_twice(open_bus: OpenBus) -> None:
    bus = await open_bus()
    await bus.declare(UNLOGGED)
    with pytest.raises(Unroutable) as caught:
        await bus.publish([job(1, "lost.x"), job(1, "lost.x"), job(1)])
    assert caught.value.indices == (0, 1)


async def test_before_anything_is_declared_all_is_unroutable(open_bus: OpenBus) -> None:
    bus = await open_bus()
    with pytest.raises(Unroutable) as caught:
        await bus.publish(jobs(3))
    assert caught.value.indices == (0, 1, 2)
    await bus.declare(SMALL)
    await bus.publish(jobs(3))


async def test_a_queue_can_be_named_directly(bus: Bus) -> None:
    await bus.publish([job(1, WORK)], to_queue=True)
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 1)) == [1]
    assert await entries(bus, "first") == []
    with pytest.raises(Unroutable):
        await bus.publish([job(1, "no-such-queue")], to_queue=True)


async def test_concurrent_publishers_lose_nothing(bus: Bus, open_bus: OpenBus) -> None:
    other = await open_bus()
    await asyncio.gather(
        *(each.publish(jobs(300, 1000 * start)) for start, each in enumerate([bus, other, bus, other]))
    )
    async with bus.consume(WORK, prefetch=2000) as consumer:
        arrived = numbers(await take(consumer, 1200))
    for start in range(4):
        assert [number for number in arrived if number // 1000 == start] == list(
            range(1000 * start, 1000 * start + 300)
        )
    assert sorted(numbers(await entries(bus, "first"))) == sorted(arrived)

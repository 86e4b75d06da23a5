"""Publishing to RabbitMQ: what only a broker can do to a window, with our channel and with the library's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aio_pika
import pytest
from pamqp.common import FieldTable

from shared.bus import rabbitmq_publishing
from shared.bus.port import PublishFailed, Unroutable
from shared.bus.rabbitmq import RabbitBus, connect
from shared.bus.rabbitmq_channel import library_fits
from tests.contract.bus.samples import SMALL, UNLOGGED, WORK, entries, job, jobs, numbers, take

pytestmark = pytest.mark.rabbitmq


@pytest.fixture(params=["windows", "one by one"])
async def bus(
    request: pytest.FixtureRequest, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RabbitBus]:
    if request.param == "one by one":
        monkeypatch.setattr(rabbitmq_publishing, "library_fits", lambda: False)
    bus = await connect(rabbitmq_url, name="test")
    yield bus
    await bus.close()


def test_the_library_is_what_we_take_it_for() -> None:
    assert library_fits()


async def test_order_and_size_hold_over_many_windows(bus: RabbitBus) -> None:
    await bus.declare(SMALL)
    sent = [replace(each, body=each.body.rjust(2 + 90 * index, b" ")) for index, each in enumerate(jobs(700))]
    await bus.publish(sent)
    async with bus.consume(WORK, prefetch=1000) as consumer:
        assert [delivery.message for delivery in await take(consumer, 700)] == sent
    assert numbers(await entries(bus, "first")) == list(range(700))


async def test_g2_what_the_broker_refuses_is_named_and_the_rest_has_arrived(
    bus: RabbitBus, rabbitmq_url: str
) -> None:
    await bus.declare(UNLOGGED)
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        arguments: FieldTable = {"x-max-length": 3, "x-overflow": "reject-publish"}
        full = await channel.declare_queue("full", exclusive=True, arguments=arguments)
        await full.bind("patchbay", "full.#")
        with pytest.raises(PublishFailed, match="rejected") as caught:
            await bus.publish([job(each, "full.x" if each % 2 else "job.a") for each in range(20)])
        assert caught.value.unconfirmed == tuple(range(7, 20, 2))
        async with bus.consume(WORK) as consumer:
            assert numbers(await take(consumer, 10)) == list(range(0, 20, 2))


async def test_g8_a_correlation_that_amqp_can_t_hold_stops_nobody(bus: RabbitBus) -> None:
    """A requester makes it up, in the body of an event."""
    await bus.declare(SMALL)
    await bus.publish([replace(job(0), correlation_id="ß" * 200), job(1)])
    async with bus.consume(WORK) as consumer:
        first, second = await take(consumer, 2)
    assert first.message == replace(job(0), correlation_id="ß" * 127)
    assert second.message == job(1)


async def test_unroutable_in_several_windows(bus: RabbitBus) -> None:
    await bus.declare(UNLOGGED)
    with pytest.raises(Unroutable) as caught:
        await bus.publish([job(each, "job.a" if each % 3 else "lost.x") for each in range(600)])
    assert caught.value.indices == tuple(range(0, 600, 3))
    async with bus.consume(WORK, prefetch=1000) as consumer:
        assert numbers(await take(consumer, 400)) == [each for each in range(600) if each % 3]


@pytest.mark.parametrize("bus", ["windows"], indirect=True)
async def test_without_an_exchange_all_of_many_windows_is_unroutable(bus: RabbitBus) -> None:
    """The library's own publishing goes on writing to the closed channel, and loses the connection by it."""
    with pytest.raises(Unroutable) as caught:
        await bus.publish(jobs(1200))
    assert caught.value.indices == tuple(range(1200))
    await bus.declare(SMALL)
    await bus.publish(jobs(3))


async def test_many_publishers_cut_short_disturb_nobody(bus: RabbitBus) -> None:
    await bus.declare(UNLOGGED)
    large = b" " * 20_000
    hasty = [
        asyncio.create_task(bus.publish([replace(job(number), body=large) for number in range(300)]))
        for _ in range(15)
    ]
    steady = [asyncio.create_task(bus.publish(jobs(300, 1000 * (start + 1)))) for start in range(3)]
    for number, task in enumerate(hasty):
        # Each is cut short a few steps later than the one before it: in its lock, its queue, its socket.
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*hasty, return_exceptions=True)
    await asyncio.gather(*steady)
    await bus.publish(jobs(1, 9000))
    arrived: list[int] = []
    async with bus.consume(WORK, prefetch=2000) as consumer:
        while not arrived or arrived[-1] != 9000:
            batch = await consumer.batch(2000)
            arrived += [int(each.message.body) for each in batch if each.message.body != large]
    for start in range(1, 4):
        mine = [number for number in arrived if number // 1000 == start]
        assert mine == list(range(1000 * start, 1000 * start + 300))

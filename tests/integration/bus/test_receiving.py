"""Receiving from RabbitMQ: by our own reading of the connection, and by the library's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import aio_pika
import pytest
from aiormq.connection import FrameReceiver
from pamqp.commands import Basic
from pamqp.frame import FrameTypes
from pamqp.heartbeat import Heartbeat

from shared.bus import rabbitmq_connection, rabbitmq_consumer
from shared.bus.port import BusLost, Delivery
from shared.bus.rabbitmq import RabbitBus, connect
from shared.bus.rabbitmq_arrivals import Arrived
from shared.bus.rabbitmq_consumer import open_inbox
from shared.bus.rabbitmq_receiving import QUIET_SECONDS, SortingReader, library_fits
from shared.bus.rabbitmq_sorting import Takers
from tests.contract.bus.samples import SMALL, WORK, entries, job, jobs, numbers, take
from tests.integration.bus.wire import Spoil, wire_to
from tests.property.bus.frames import content, deliver, properties, written

pytestmark = pytest.mark.rabbitmq
FRAME_MAX = 131_072


@pytest.fixture(params=["sorted", "by the library"])
async def bus(
    request: pytest.FixtureRequest, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RabbitBus]:
    if request.param == "by the library":
        monkeypatch.setattr(rabbitmq_connection, "library_fits", lambda: False)
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


@pytest.mark.parametrize("bus", ["sorted"], indirect=True)
async def test_the_library_is_what_we_take_it_for(bus: RabbitBus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert library_fits()
    monkeypatch.delattr(rabbitmq_consumer, "arrived_by_library")  # nothing comes that way
    await bus.publish(jobs(3))
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 3)) == [0, 1, 2]


async def test_bodies_of_one_frame_of_many_and_of_none(bus: RabbitBus) -> None:
    sizes = (0, 1, FRAME_MAX - 9, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX, 0, 700_000, 5)
    sent = [
        replace(
            job(number), body=bytes([number]) * size, subject=f"s/{number}", headers={"n": number, "é": "ü"}
        )
        for number, size in enumerate(sizes)
    ]
    await bus.publish(sent)
    async with bus.consume(WORK) as consumer:
        assert [each.message for each in await take(consumer, len(sent))] == sent
    assert [each.message for each in await entries(bus, "first")] == sent


async def test_a_temporary_queue_knows_first_and_later(bus: RabbitBus) -> None:
    async with bus.subscribe(["job.#"]) as consumer:
        await bus.publish(jobs(2))
        first, second = await take(consumer, 2)
        await consumer.requeue(second)
        (again,) = await take(consumer, 1)
    assert [each.attempt for each in (first, second, again)] == [1, 1, 2]


async def test_the_order_holds_while_the_prefetch_changes(bus: RabbitBus) -> None:
    await bus.publish(jobs(600))
    got: list[Delivery] = []
    held = 1
    async with bus.consume(WORK, prefetch=held) as consumer:
        while len(got) < 600:
            got += await take(consumer, min(held, 600 - len(got)))
            held = 7 + len(got) % 60
            # While all is in hand: the broker takes back what is on its way to a consumer that leaves.
            await consumer.allow(held)
            await consumer.ack(got[-1])
    assert numbers(got) == list(range(600))


async def test_a_channel_that_the_broker_closes_ends_its_consumer_alone(bus: RabbitBus) -> None:
    await bus.publish(jobs(500))
    async with bus.consume("asked") as other:
        with pytest.raises(BusLost, match="closed"):
            await wrong_ack(bus)
        await bus.publish([job(7, "ask.x")])
        assert numbers(await take(other, 1)) == [7]
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 500)) == list(range(500))


async def wrong_ack(bus: RabbitBus) -> None:
    """Settle what was never delivered, while deliveries come."""
    channel = await bus._to_consume.open_channel()
    async with open_inbox(channel, WORK, 200) as inbox:
        await inbox.batch(1)
        await inbox.ack(10**6, multiple=False)
        while True:
            await inbox.batch(1)


async def test_a_consumer_of_the_library_s_beside_ours(bus: RabbitBus) -> None:
    """On the same connection; it gets what is its own."""
    link = bus._to_consume
    channel = await link.open_channel()
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind("patchbay", "job.#")
    got: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(got.put)
    async with bus.consume(WORK) as consumer:
        await bus.publish(jobs(20))
        assert numbers(await take(consumer, 20)) == list(range(20))
    assert [int((await got.get()).body) for _ in range(20)] == list(range(20))
    await channel.close()


def in_pieces(data: bytes) -> list[bytes]:
    """Cut everywhere: pieces of one to seven bytes."""
    pieces, at = [], 0
    while at < len(data):
        size = 1 + (at * 31) % 7
        pieces.append(data[at : at + size])
        at += size
    return pieces


def torn(data: bytes) -> list[bytes]:
    """The connection ends amid the frame that says so."""
    before, found, _ = data.partition(b"tear here")
    return [before + found[:4], b""] if found else [data]


def broken(data: bytes) -> list[bytes]:
    """A frame does not end where it should."""
    return [data.replace(b"break here\xce", b"break here\x00")]


async def test_g2_what_comes_in_pieces_is_whole(rabbitmq_url: str) -> None:
    sent = [replace(each, body=each.body * 50, subject="s", headers={"a": "b"}) for each in jobs(60)]
    async with wire_to(rabbitmq_url, in_pieces) as url:
        bus = await connect(url, name="test")
        await bus.declare(SMALL)
        await bus.publish(sent)
        async with bus.consume(WORK) as consumer:
            assert [each.message for each in await take(consumer, 60)] == sent
        assert [each.message for each in await entries(bus, "first")] == sent
        await bus.close()


@pytest.mark.parametrize(("spoil", "word"), [(torn, b"tear here"), (broken, b"break here")])
async def test_g2_a_connection_that_ends_amid_a_delivery_is_a_lost_bus(
    rabbitmq_url: str, spoil: Spoil, word: bytes
) -> None:
    once = [spoil]

    def spoil_once(data: bytes) -> list[bytes]:
        if word in data and once:
            return once.pop()(data)
        return [data]

    straight = await connect(rabbitmq_url, name="test")
    await straight.declare(SMALL)
    async with wire_to(rabbitmq_url, spoil_once) as url:
        bus = await connect(url, name="test")
        sent = [job(0), replace(job(1), body=word), job(2)]

        async def consume_until_lost() -> None:
            async with bus.consume(WORK) as consumer:
                await straight.publish(sent)
                while True:
                    await consumer.batch(10)

        with pytest.raises(BusLost):
            await consume_until_lost()
        async with bus.consume(WORK) as consumer:
            deliveries = await take(consumer, 3)
        assert [each.message.body for each in deliveries] == [b"0", word, b"2"]
        await bus.close()
    await straight.close()


async def test_the_library_hears_that_the_broker_is_there() -> None:
    """It ends connections that say nothing; a broker that delivers all the time sends no heartbeats."""
    now = [0.0]
    takers, got = Takers(), list[Arrived]()
    consumer = takers.add(1, got.append)
    reader = SortingReader(takers, lambda: now[0])
    frames = FrameReceiver(reader)
    for tag in range(1, 31):
        reader.feed_data(b"".join(written(content(deliver(tag, consumer), properties(), [b"x"]), 1)))
        now[0] += QUIET_SECONDS / 4
    reader.feed_data(b"".join(written([Basic.CancelOk(consumer)], 1)))
    heard: list[FrameTypes] = []
    while not heard or isinstance(heard[-1], Heartbeat):
        heard.append((await frames.get_frame())[2])
    assert len(got) == 30
    assert 3 <= len(heard) - 1 <= 8
    assert isinstance(heard[-1], Basic.CancelOk)


async def test_who_lingers_gets_a_full_batch_at_once(bus: RabbitBus) -> None:
    await bus.publish(jobs(40))
    async with bus.consume(WORK) as consumer, asyncio.timeout(20):
        assert numbers(await consumer.batch(40, timedelta(minutes=5))) == list(range(40))

"""RabbitMQ alone: logins, foreign clients, and what only a broker can do to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest

from shared.bus.port import BusLost
from shared.bus.rabbitmq import RabbitBus, connect
from shared.bus.rabbitmq_log import MARK_TYPE
from shared.events.topology import LOG
from shared.runtime.errors import PermanentError
from tests.contract.bus.samples import SMALL, WORK, entries, job, jobs, nothing_comes, numbers, take
from tests.contract.bus.test_requests import answer
from tests.servers.processes import free_port

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


def with_login(url: str, userinfo: str) -> str:
    """The URL with another login."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.hostname}:{parts.port}"))


async def test_g9_a_refused_login_is_clear_and_keeps_the_secret(rabbitmq_url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        await connect(with_login(rabbitmq_url, "guest:s3cr3t-w0rd"), name="test")
    assert caught.value.code == "broker_login"
    assert caught.value.hint is not None
    for error in (caught.value, caught.value.__cause__, caught.value.__context__):
        assert "s3cr3t" not in repr(error)
        assert "s3cr3t" not in str(error)


async def test_an_unknown_virtual_host_is_named_as_the_reason(rabbitmq_url: str) -> None:
    with pytest.raises(BusLost, match="virtual host"):
        await connect(rabbitmq_url + "-not-there", name="test")


async def test_g9_an_absent_broker_is_a_lost_bus(rabbitmq_url: str) -> None:
    parts = urlsplit(with_login(rabbitmq_url, "guest:s3cr3t-w0rd"))
    absent = urlunsplit(parts._replace(netloc=f"guest:s3cr3t-w0rd@127.0.0.1:{free_port()}"))
    with pytest.raises(BusLost) as caught:
        await connect(absent, name="test")
    assert "s3cr3t" not in str(caught.value)


async def test_bare_clients_understand_what_we_publish(bus: RabbitBus, rabbitmq_url: str) -> None:
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("patchbay", "job.#")
        await bus.publish([job(1)])
        got = await queue.get(timeout=10)
        assert (got.body, got.message_id, got.routing_key) == (b"1", "m-1", "job.a")
        assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
        assert got.timestamp is not None


async def test_we_understand_bare_clients(bus: RabbitBus, rabbitmq_url: str) -> None:
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("patchbay")
        foreign = aio_pika.Message(b"7", headers={"list": [1, 2], "text": "x", "half": 0.5})
        await exchange.publish(foreign, routing_key="job.foreign")
    async with bus.consume(WORK) as consumer:
        (delivery,) = await take(consumer, 1)
        assert delivery.message.body == b"7"
        assert delivery.message.headers == {"text": "x"}
    (entry,) = await entries(bus, "first")
    assert abs(entry.time - datetime.now(UTC)) < timedelta(minutes=1)


async def test_an_answer_by_direct_reply_to(bus: RabbitBus, rabbitmq_url: str) -> None:
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        answers = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        got: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await answers.consume(got.put, no_ack=True)
        ask = aio_pika.Message(b"21", reply_to="amq.rabbitmq.reply-to", correlation_id="mine", message_id="q")
        await (await channel.get_exchange("patchbay")).publish(ask, routing_key="ask.x")
        async with bus.consume("asked") as consumer:
            (delivery,) = await take(consumer, 1)
            await bus.publish([answer(delivery.message)], to_queue=True)
            await consumer.ack(delivery)
        back = await got.get()
        assert (back.body, back.correlation_id) == (b"42", "mine")


async def test_marks_stay_out_of_every_read_and_every_queue(bus: RabbitBus, rabbitmq_url: str) -> None:
    await bus.publish(jobs(3))
    for _ in range(5):
        assert numbers(await entries(bus, "first")) == [0, 1, 2]
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 3)
        await consumer.ack(deliveries[-1])
        assert await nothing_comes(consumer)
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(100)
        log = await channel.get_queue(LOG)
        raw: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await log.consume(raw.put, arguments={"x-stream-offset": "first"})
        types = [(await raw.get()).type for _ in range(8)]
    assert types == [None] * 3 + [MARK_TYPE] * 5


async def test_a_deleted_queue_ends_its_consumer(bus: RabbitBus, rabbitmq_url: str) -> None:
    async def consume_while_it_is_deleted() -> None:
        async with bus.consume(WORK) as consumer:
            connection = await aio_pika.connect(rabbitmq_url)
            async with connection:
                await (await connection.channel()).queue_delete(WORK)
            await consumer.batch(1)

    with pytest.raises(BusLost):
        await consume_while_it_is_deleted()


async def test_a_closed_bus_says_so(bus: RabbitBus) -> None:
    await bus.close()
    with pytest.raises(BusLost, match="closed"):
        await bus.state(WORK)

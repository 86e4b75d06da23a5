"""Users with limited rights, as docs/how-to/consume-events.md grants them: what they may, and what not."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused

from shared.bus.port import Bus
from shared.events.codec import decode
from shared.events.commands import CommandReplied
from shared.events.envelope import wrap
from shared.events.topology import PLACEMENT_REQUESTS
from shared.runtime.consuming import Received
from shared.runtime.publishing import reply
from tests.contract.events.examples import golden_messages
from tests.integration.consumers.broker import Allocator, Rights, bind_queue, make_user
from tests.servers.rabbitmq import PrivateRabbit

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "consume-events.md"


def granted(user: str) -> tuple[Rights, tuple[str, str] | None]:
    """The rights that the page's commands grant."""
    page = PAGE.read_text()
    rights = re.search(rf"set_permissions .*{user} (.*)", page)
    topics = re.search(rf"set_topic_permissions .*{user} patchbay (.*)", page)
    assert rights is not None, user

    def words(found: re.Match[str]) -> list[str]:
        return re.findall(r"'([^']*)'", found[1])

    configure, write, read = words(rights)
    if topics is None:
        return (configure, write, read), None
    topic_write, topic_read = words(topics)
    return (configure, write, read), (topic_write, topic_read)


@asynccontextmanager
async def channel_as(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel(on_return_raises=True)


@pytest.fixture
async def site(broker: PrivateRabbit) -> str:
    """A virtual host with Patchbay's topology, a dashboard's queue, and an event in the log."""
    url = broker.vhost()
    allocator = Allocator(url)
    await (await allocator.open()).close()
    await bind_queue(url, "dash.nics", "nic.#", "vcenter.#")
    await allocator.publish(allocator.created("a"))
    return url


async def refused(work: Any) -> None:
    with pytest.raises(ChannelAccessRefused):
        await work


def command(kind: str) -> aio_pika.Message:
    body = json.dumps(golden_messages()[f"{kind}.v1"]).encode()
    return aio_pika.Message(body, content_type="application/cloudevents+json")


async def nothing_else(url: str, own: str | None) -> None:
    """No event is published, no queue of others read, nothing declared or deleted."""
    queues = {"patchbay.log", "dash.nics", "allocator.facts", PLACEMENT_REQUESTS, "patchbay.dead-letter"} - {
        own
    }
    for name in sorted(queues):
        async with channel_as(url) as channel:
            await channel.set_qos(10)
            queue = await channel.get_queue(name, ensure=False)
            await refused(queue.consume(_ignore))
        async with channel_as(url) as channel:
            await refused(channel.queue_delete(name))
    async with channel_as(url) as channel:
        await refused(channel.declare_queue("evil", durable=True))
    async with channel_as(url) as channel:
        await refused((await channel.get_queue("dash.nics", ensure=False)).bind("patchbay", "#"))
    await no_event(url, "nic.created")
    await no_event(url, "command.subnet.delete")
    async with channel_as(url) as channel:
        await refused(channel.default_exchange.publish(command("nic.created"), "allocator.facts"))


async def _ignore(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    raise AssertionError("a message arrived")


async def no_event(url: str, kind: str) -> None:
    async with channel_as(url) as channel:
        exchange = await channel.get_exchange("patchbay", ensure=False)
        with pytest.raises(AMQPError):
            await exchange.publish(command(kind), f"{kind}.-.-")


async def first_of(url: str, name: str, arguments: dict[str, Any] | None = None) -> str:
    """The type of the first message of a queue."""
    async with channel_as(url) as channel:
        await channel.set_qos(10)
        queue = await channel.get_queue(name, ensure=False)
        inbox: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(inbox.put, arguments=arguments)
        async with asyncio.timeout(20):
            message = await inbox.get()
        await message.ack()
        return str(message.type)


async def test_a_reader_of_the_log_reads_the_log_and_nothing_else(site: str, broker: PrivateRabbit) -> None:
    url = make_user(broker, site, *granted("dashboard"))
    assert await first_of(url, "patchbay.log", {"x-stream-offset": "first"}) == "nic.created"
    await nothing_else(url, own="patchbay.log")


async def test_a_reader_of_its_queue_reads_that_and_nothing_else(site: str, broker: PrivateRabbit) -> None:
    url = make_user(broker, site, *granted("nics"))
    assert await first_of(url, "dash.nics") == "nic.created"
    await nothing_else(url, own="dash.nics")


async def test_who_makes_its_own_queues_binds_them_to_what_it_may_see(
    site: str, broker: PrivateRabbit
) -> None:
    url = make_user(broker, site, *granted("team"))
    async with channel_as(url) as channel:
        queue = await channel.declare_queue("team.nics", durable=True)
        await queue.bind("patchbay", "nic.#")
        await queue.bind("patchbay", "vcenter.heartbeat.#")
    for pattern in ("#", "command.#", "vm.create.#", "*.created.#"):
        async with channel_as(url) as channel:
            queue = await channel.get_queue("team.nics", ensure=False)
            await refused(queue.bind("patchbay", pattern))
    await no_event(url, "nic.created")
    async with channel_as(url) as channel:
        await refused(channel.declare_queue("evil", durable=True))


async def test_a_provisioner_asks_and_is_answered_and_can_do_nothing_else(
    site: str, broker: PrivateRabbit
) -> None:
    url = make_user(broker, site, *granted("provisioner"))
    bus = await Allocator(site).open()
    try:
        async with channel_as(url) as channel:
            replies: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
            direct = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
            await direct.consume(replies.put, no_ack=True)
            exchange = await channel.get_exchange("patchbay", ensure=False)
            for kind in ("vm.create.requested", "vm.create.batch.requested", "command.reservation.extend"):
                asked = command(kind)
                asked.reply_to, asked.correlation_id = "amq.rabbitmq.reply-to", kind
                await exchange.publish(asked, f"{kind}.-.-")
                await answer_one(bus)
                async with asyncio.timeout(20):
                    answer = await replies.get()
                assert answer.correlation_id == kind
                assert json.loads(answer.body)["data"]["result"] == {"asked": kind}
    finally:
        await bus.close()
    await nothing_else(url, own=None)


async def answer_one(bus: Bus) -> None:
    """As placement does."""
    async with bus.consume(PLACEMENT_REQUESTS) as consumer:
        (delivery,) = await consumer.batch(1)
        asked = Received(decode(delivery.message.body), delivery)
        kind = asked.envelope.type
        answer = CommandReplied(command=kind, result={"asked": kind})
        assert await reply(bus, asked, wrap(answer, source="placement", time=datetime.now(UTC)))
        await consumer.ack(delivery)

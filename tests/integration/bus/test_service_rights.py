"""The rights that docs/explanation/rabbitmq.md gives to Patchbay's own user are enough, and not all."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from shared.bus.port import Message
from shared.bus.rabbitmq import connect
from shared.events.topology import ALLOCATOR_COMMANDS, ALLOCATOR_FACTS, TOPOLOGY
from tests.contract.bus.samples import collect, take
from tests.contract.bus.test_requests import answer
from tests.integration.consumers.broker import make_user
from tests.servers.rabbitmq import PrivateRabbit

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "rabbitmq.md"


def granted() -> tuple[str, str, str]:
    """What the page's command grants."""
    found = re.search(r"set_permissions -p patchbay patchbay '([^']*)' '([^']*)' '([^']*)'", PAGE.read_text())
    assert found is not None
    return found[1], found[2], found[3]


async def test_all_that_services_do_can_be_done_with_these_rights(broker: PrivateRabbit) -> None:
    bus = await connect(make_user(broker, broker.vhost(), granted()), name="test")
    await bus.declare(TOPOLOGY)
    assert await bus.obstacle() is None
    await bus.publish([Message(b"1", "guest.addresses.changed.v.-", "m-1", type="x")])
    async with bus.consume(ALLOCATOR_FACTS) as consumer:
        (delivery,) = await take(consumer, 1)
        await consumer.dead_letter(delivery, "test", "to see that it may")
    assert [letter.reason for letter in await collect(bus.dead_letters())] == ["test"]
    assert [entry.message.body async for entry in bus.read_log("first")] == [b"1"]
    async with bus.subscribe(["nic.#"]) as following:
        await bus.publish([Message(b"2", "nic.created.v.-", "m-2")])
        assert [each.message.body for each in await take(following, 1)] == [b"2"]
    asking = asyncio.create_task(
        bus.request(Message(b"21", "command.vm.ask.-.-", "q"), timedelta(seconds=20))
    )
    async with bus.consume(ALLOCATOR_COMMANDS) as consumer:
        (asked,) = await take(consumer, 1)
        await bus.publish([answer(asked.message)], to_queue=True)
        await consumer.ack(asked)
    assert (await asking).body == b"42"
    await bus.close()


async def test_queues_of_others_are_out_of_reach(broker: PrivateRabbit) -> None:
    url = broker.vhost()
    own = urlsplit(url)
    connection = await aio_pika.connect(make_user(broker, url, granted()))
    async with connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue("billing.invoices", durable=True)
    assert own.path

"""Bindings by type, vCenter and subnet, as docs/how-to/consume-events.md lists them, on a real broker."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest

from shared.bus.rabbitmq import connect
from shared.events.base import Event
from shared.events.envelope import Envelope, wrap
from shared.events.nic import NicCreated
from shared.events.topology import TOPOLOGY
from shared.runtime.publishing import message_of
from tests.integration.consumers.broker import Allocator

pytestmark = pytest.mark.rabbitmq

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "consume-events.md"


def elsewhere(envelope: Envelope[Event]) -> Envelope[Event]:
    """The same of another vCenter, in another subnet."""
    event = envelope.data
    assert isinstance(event, NicCreated)
    address = event.nic.addresses[0].model_copy(update={"subnet": uuid4()})
    nic = event.nic.model_copy(update={"vcenter": uuid4(), "addresses": (address,)})
    return wrap(NicCreated(nic=nic, since=event.since), source="allocator", time=envelope.time)


async def test_a_binding_gets_what_the_page_says(rabbitmq_url: str) -> None:
    patterns = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(TOPOLOGY)
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        queues = {}
        for pattern in patterns:
            queues[pattern] = await channel.declare_queue(exclusive=True)
            await queues[pattern].bind("patchbay", pattern)
        allocator = Allocator(rabbitmq_url)
        here, beat = allocator.created("a"), allocator.alive()
        await bus.publish([message_of(one) for one in (here, elsewhere(here), beat)])
        got = {}
        for pattern, queue in queues.items():
            keys = []
            while (message := await queue.get(fail=False, no_ack=True)) is not None:
                keys.append(message.routing_key)
            got[pattern] = len(keys)
    await bus.close()
    assert list(got.values()) == [2, 1, 1, 2, 0], got

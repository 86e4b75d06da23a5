"""A broker that has our names already, with something else behind them: what differs, and what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from shared.bus.port import TopologyMismatch
from shared.bus.rabbitmq import RabbitBus, connect
from shared.events.topology import LOG, TOPOLOGY, Queue, Topology
from tests.contract.bus.samples import DEAD, SMALL, STREAM, WORK, job, numbers, take

pytestmark = pytest.mark.rabbitmq

ONE = Topology(queues=(Queue(WORK, ("job.#",), delivery_limit=2),))
OURS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 2,
    "x-dead-letter-exchange": "patchbay.dead",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    bus = await connect(rabbitmq_url, name="test")
    yield bus
    await bus.close()


async def declared(url: str, name: str, arguments: dict[str, Any], *, durable: bool = True) -> None:
    """A queue as somebody else made it."""
    connection = await aio_pika.connect(url)
    async with connection:
        await (await connection.channel()).declare_queue(name, durable=durable, arguments=arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {
                "x-queue-type": "classic",
                "x-dead-letter-exchange": "patchbay.dead",
                "x-overflow": "reject-publish",
            },
            "with x-queue-type classic; this release wants quorum",
        ),
        (OURS | {"x-delivery-limit": 7}, "with x-delivery-limit 7; this release wants 2"),
        (OURS | {"x-message-ttl": 60_000}, "with x-message-ttl 60000; this release wants none"),
        (
            OURS | {"x-dead-letter-exchange": "elsewhere"},
            "with x-dead-letter-exchange elsewhere; this release wants patchbay.dead",
        ),
        ({"x-queue-type": "quorum"}, "with x-dead-letter-exchange none; this release wants patchbay.dead"),
    ],
)
async def test_a_queue_that_differs_is_told_with_both_values(
    bus: RabbitBus, rabbitmq_url: str, arguments: dict[str, Any], said: str
) -> None:
    await declared(rabbitmq_url, WORK, arguments)
    with pytest.raises(TopologyMismatch) as caught:
        await bus.declare(ONE)
    assert str(caught.value) == f"queue 'work' exists {said}"
    assert caught.value.hint is not None
    assert "let it run empty" in caught.value.hint


async def test_a_log_that_differs_is_not_deleted_lightly(bus: RabbitBus, rabbitmq_url: str) -> None:
    await declared(rabbitmq_url, LOG, {"x-queue-type": "stream", "x-max-age": "1h"})
    with pytest.raises(TopologyMismatch, match="this release wants") as caught:
        await bus.declare(Topology(queues=(STREAM,)))
    assert "replay log" in (caught.value.hint or "")


async def test_an_exchange_that_differs_is_told(bus: RabbitBus, rabbitmq_url: str) -> None:
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        await (await connection.channel()).declare_exchange("patchbay", "fanout", durable=True)
    with pytest.raises(TopologyMismatch) as caught:
        await bus.declare(ONE)
    assert str(caught.value) == "exchange 'patchbay' exists with type fanout; this release wants topic"


async def test_the_group_size_is_the_broker_s_or_ours(rabbitmq_url: str) -> None:
    """Said once it stays: a queue is made with it, and its members are changed by the broker's own tools."""
    sized = await connect(f"{rabbitmq_url}?group_size=1", name="test")
    await sized.declare(TOPOLOGY)
    await sized.declare(TOPOLOGY)
    await sized.close()
    other = await connect(f"{rabbitmq_url}?group_size=3", name="test")
    with pytest.raises(TopologyMismatch, match="-size 1; this release wants 3") as caught:
        await other.declare(TOPOLOGY)
    assert "PATCHBAY_AMQP__GROUP_SIZE" in (caught.value.hint or "")
    await other.close()


async def test_a_refused_declaration_leaves_the_bus_usable(bus: RabbitBus, rabbitmq_url: str) -> None:
    await declared(rabbitmq_url, WORK, {"x-queue-type": "classic"})
    with pytest.raises(TopologyMismatch):
        await bus.declare(SMALL)
    await bus.declare(Topology(queues=(DEAD, Queue("other", ("job.#",)))))
    await bus.publish([job(1)])
    async with bus.consume("other") as consumer:
        assert numbers(await take(consumer, 1)) == [1]

"""How many messages the loop holds: from one to full batches and back, and nobody innocent is counted on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitBus, connect
from shared.runtime.consuming import Received
from shared.runtime.publishing import publish
from tests.integration.runtime.test_consuming import SMALL, beat, consuming, said

pytestmark = pytest.mark.rabbitmq

BATCH = 50
WAITING = 1500


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    bus = await connect(rabbitmq_url, name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


class Counting:
    """A handler that notes how often each event was delivered, and by how many it was handled."""

    def __init__(self, enough: int) -> None:
        self.attempts: dict[int, int] = {}
        self.sizes: list[int] = []
        self.enough = enough
        self.done = asyncio.Event()

    async def __call__(self, batch: Sequence[Received]) -> None:
        for number, received in zip(said(batch), batch, strict=True):
            self.attempts[number] = received.delivery.attempt
        self.sizes.append(len(batch))
        if len(self.attempts) >= self.enough:
            self.done.set()


async def handled(bus: Bus, count: int) -> Counting:
    handler = Counting(count)
    async with consuming(bus, handler, batch=BATCH):
        await handler.done.wait()
    return handler


async def test_g8_who_begins_with_care_and_then_takes_more_costs_nobody_an_attempt(bus: RabbitBus) -> None:
    for _ in range(5):
        await publish(bus, [beat(number) for number in range(1, WAITING + 1)])
        handler = await handled(bus, WAITING)
        assert Counter(handler.attempts.values()) == {1: WAITING}
        assert handler.sizes[0] == 1
        assert len(handler.sizes) <= 2 * WAITING / BATCH


async def test_g8_care_for_one_costs_its_neighbours_no_attempt(bus: RabbitBus) -> None:
    """The first was given back once, so few are held for a while; the rest come for the first time."""
    await publish(bus, [beat(number) for number in range(1, WAITING + 1)])
    async with bus.consume("work", prefetch=1) as consumer:
        await consumer.batch(1)
    handler = await handled(bus, WAITING)
    assert handler.attempts.pop(1) == 2
    assert Counter(handler.attempts.values()) == {1: WAITING - 1}

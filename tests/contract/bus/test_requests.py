"""Asking and answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shared.bus.port import Bus, Message, NoReply, Unroutable
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import UNLOGGED, take

LONG = timedelta(seconds=20)


def question(number: int, correlation: str | None = None) -> Message:
    """Something to ask."""
    return Message(
        body=str(number).encode(), routing_key="ask.x", message_id=f"q-{number}", correlation_id=correlation
    )


def answer(asked: Message) -> Message:
    """Twice the number."""
    assert asked.reply_to is not None
    body = str(2 * int(asked.body)).encode()
    return Message(
        body=body,
        routing_key=asked.reply_to,
        message_id=f"a-{asked.message_id}",
        correlation_id=asked.correlation_id,
    )


@asynccontextmanager
async def answering(bus: Bus) -> AsyncIterator[None]:
    async def work() -> None:
        async with bus.consume("asked") as consumer:
            while True:
                deliveries = await consumer.batch(50)
                await bus.publish([answer(delivery.message) for delivery in deliveries], to_queue=True)
                await consumer.ack(deliveries[-1])

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_request_gets_its_own_answer(bus: Bus, open_bus: OpenBus) -> None:
    async with answering(await open_bus()):
        answers = await asyncio.gather(*(bus.request(question(number), LONG) for number in range(30)))
        assert [int(each.body) for each in answers] == [2 * number for number in range(30)]
        assert answers[7].correlation_id == "q-7"
        given = await bus.request(question(99, "given"), LONG)
        assert given.correlation_id == "given"


async def test_no_answer_in_time(bus: Bus) -> None:
    with pytest.raises(NoReply, match=r"ask\.x"):
        await bus.request(question(1), timedelta(milliseconds=300))
    assert (await bus.state("asked")).ready >= 0


async def test_a_late_answer_reaches_nobody_and_harms_nobody(bus: Bus, open_bus: OpenBus) -> None:
    with pytest.raises(NoReply):
        await bus.request(question(1), timedelta(milliseconds=300))
    async with answering(await open_bus()):
        assert int((await bus.request(question(2), LONG)).body) == 4


async def test_an_answer_to_who_left_is_unroutable(bus: Bus, open_bus: OpenBus) -> None:
    requester = await open_bus()
    with pytest.raises(NoReply):
        await requester.request(question(1), timedelta(milliseconds=300))
    await requester.close()
    async with bus.consume("asked") as consumer:
        (delivery,) = await take(consumer, 1)
        with pytest.raises(Unroutable):
            await bus.publish([answer(delivery.message)], to_queue=True)
        await consumer.ack(delivery)


async def test_a_request_that_nobody_takes_is_unroutable(open_bus: OpenBus) -> None:
    bus = await open_bus()
    await bus.declare(UNLOGGED)
    with pytest.raises(Unroutable):
        await bus.request(question(1), LONG)


async def test_closing_ends_who_waits(bus: Bus) -> None:
    waiting = asyncio.create_task(bus.request(question(1), LONG))
    async with bus.consume("asked") as consumer:
        await take(consumer, 1)
    await bus.close()
    await bus.close()
    with pytest.raises(NoReply):
        await waiting

"""A small topology and messages for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from shared.bus.port import Bus, Consumer, DeadLetter, Delivery, LogEntry, LogStart, Message, QueueState
from shared.events.topology import DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, LOG, Queue, Topology

WORK = "work"
LIMIT = 2
DEAD = Queue(DEAD_LETTER_QUEUE, ("#",), exchange=DEAD_LETTER_EXCHANGE, delivery_limit=None, dead_letter=None)
STREAM = Queue(
    LOG, ("#",), kind="stream", delivery_limit=None, dead_letter=None, max_age_hours=1, max_bytes=10**9
)
SMALL = Topology(
    queues=(
        DEAD,
        STREAM,
        Queue(WORK, ("job.#",), delivery_limit=LIMIT),
        Queue("asked", ("ask.#",)),
        Queue("ordered", ("step.#",), ordered=True),
    )
)
UNLOGGED = Topology(queues=(DEAD, Queue(WORK, ("job.#",), delivery_limit=LIMIT)))
"""Without the log, which takes every key: here a key can be unroutable."""

SOON = timedelta(milliseconds=50)
Item = TypeVar("Item")


def job(number: int, key: str = "job.a") -> Message:
    """A message that says its number."""
    return Message(body=str(number).encode(), routing_key=key, message_id=f"m-{number}")


def jobs(count: int, start: int = 0) -> list[Message]:
    """Messages numbered from `start`."""
    return [job(number) for number in range(start, start + count)]


def numbers(deliveries: Sequence[Delivery | LogEntry | DeadLetter]) -> list[int]:
    """The numbers they say."""
    return [int(delivery.message.body) for delivery in deliveries]


async def take(consumer: Consumer, count: int) -> list[Delivery]:
    """Exactly `count` deliveries, in their order."""
    taken: list[Delivery] = []
    while len(taken) < count:
        taken += await consumer.batch(count - len(taken))
    return taken


async def collect(items: AsyncIterator[Item]) -> list[Item]:
    """All of them."""
    return [item async for item in items]


async def entries(bus: Bus, start: LogStart) -> list[LogEntry]:
    """The log from `start` to its end."""
    return await collect(bus.read_log(start))


async def eventually(bus: Bus, queue: str, wanted: Callable[[QueueState], bool]) -> QueueState:
    """The state of a queue once it is as wanted. What brokers count lags behind what they did."""
    for _ in range(300):
        state = await bus.state(queue)
        if wanted(state):
            return state
        await asyncio.sleep(0.05)
    raise AssertionError(f"{queue} stays at {state}")


async def nothing_comes(consumer: Consumer) -> bool:
    """Whether the consumer waits in vain for a moment."""
    try:
        async with asyncio.timeout(0.5):
            await consumer.batch(1)
    except TimeoutError:
        return True
    return False

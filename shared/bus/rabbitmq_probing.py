"""Asking a broker whether it takes anything: over AMQP it says so only to those who publish."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aio_pika import Message
from aio_pika.abc import AbstractChannel

from shared.bus.obstacles import BLOCKED, Obstacles
from shared.bus.rabbitmq_connection import Link, broker_errors, close_channel
from shared.runtime.errors import PermanentError

NOWHERE = "patchbay.probe"
"""No queue has this name: the broker confirms the message and forgets it."""

PATIENCE = 3.0


async def probe(link: Link, obstacles: Obstacles) -> str | None:
    """See `Bus.obstacle`."""
    if (reason := obstacles.reason) is not None:
        return reason
    channel = await link.open_channel(confirms=True)
    try:
        await _publish_or_blocked(channel, obstacles)
    finally:
        if BLOCKED not in obstacles:
            await close_channel(channel)
    return obstacles.reason


async def _publish_or_blocked(channel: AbstractChannel, obstacles: Obstacles) -> None:
    publishing = asyncio.create_task(_publish(channel))
    blocked = asyncio.create_task(obstacles.arrived(BLOCKED))
    try:
        await asyncio.wait((publishing, blocked), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (publishing, blocked):
            task.cancel()
        await asyncio.gather(publishing, blocked, return_exceptions=True)


async def _publish(channel: AbstractChannel) -> None:
    with suppress(PermanentError):  # who may not publish has no use for the answer
        async with broker_errors("asking whether the broker takes messages"):
            await channel.default_exchange.publish(Message(b""), NOWHERE, mandatory=False)

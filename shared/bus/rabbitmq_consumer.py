"""Consuming from RabbitMQ: deliveries arrive in an inbox, leave in batches, and are acknowledged at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from shared.bus.port import BusLost, Delivery
from shared.bus.rabbitmq_arrivals import Arrived, arrived_by_library
from shared.bus.rabbitmq_connection import broker_errors, close_channel
from shared.bus.rabbitmq_messages import attempt_of, message_of, why_dead
from shared.bus.rabbitmq_publishing import RabbitPublisher
from shared.bus.rabbitmq_receiving import takers_of
from shared.bus.unsettled import Unsettled

MAX_PREFETCH = 65_535
"""The protocol's: sixteen bits."""


class Inbox:
    """What the broker pushed to one consumer on one channel, in its order, until channel or consumer end."""

    def __init__(
        self, channel: AbstractChannel, underlay: UnderlayChannel, queue: str, arguments: FieldTable | None
    ) -> None:
        self.channel = channel
        self.underlay = underlay
        self._takers = takers_of(channel)
        self._queue = queue
        self._arguments = arguments
        self._tag: str | None = None
        self._arrived: deque[Arrived] = deque()
        self._wanted = 1
        self._news = asyncio.Event()
        """As many have arrived as are wanted, or no more will."""
        self._lost: str | None = None

    async def allow(self, prefetch: int) -> None:
        """Consume with at most so many unacknowledged. What is in hand stays, and can be acknowledged."""
        self.check()
        async with broker_errors(f"consuming from {self._queue}"):
            if (tag := self._tag) is not None:
                # Forgotten first: the broker's answer looks like the end of the consumer.
                self._tag = None
                await self.underlay.basic_cancel(tag)
                self._takers.remove(self.take)
            await self.channel.set_qos(prefetch_count=max(1, min(prefetch, MAX_PREFETCH)))
            tag = self._takers.add(self.underlay.number, self.take)
            await self.underlay.basic_consume(
                self._queue, self.on_message, arguments=self._arguments, consumer_tag=tag
            )
            self._tag = tag
        self.check()

    async def batch(self, limit: int, linger: timedelta = timedelta(0)) -> list[Arrived]:
        """As `Consumer.batch`, raw."""
        await self._wait_for(1)
        if linger and len(self._arrived) < limit:
            with suppress(TimeoutError):
                async with asyncio.timeout(linger.total_seconds()):
                    await self._wait_for(limit)
        self.check()
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    async def ack(self, tag: int, *, multiple: bool) -> None:
        """Acknowledge. Raises `BusLost`."""
        self.check()
        async with broker_errors("acknowledging"):
            await self.underlay.basic_ack(tag, multiple=multiple)

    async def requeue(self, tag: int) -> None:
        """Give one back. Raises `BusLost`."""
        self.check()
        async with broker_errors("giving back"):
            await self.underlay.basic_nack(tag, requeue=True)

    def check(self) -> None:
        """Raises `BusLost` when this inbox is over. What is still in it can't be acknowledged any more."""
        if self._lost is not None:
            raise BusLost(self._lost)

    def take(self, arrived: Arrived) -> None:
        """Called for each delivery, in order."""
        self._arrived.append(arrived)
        if len(self._arrived) >= self._wanted:
            self._news.set()

    async def on_message(self, message: DeliveredMessage) -> None:
        """Called by the library with deliveries that have come to it; in order, as long as nothing waits."""
        self.take(arrived_by_library(message))

    async def close(self) -> None:
        """Close the channel. What arrives until the broker has done so is taken, and given back by it."""
        try:
            await close_channel(self.channel)
        finally:
            self._takers.remove(self.take)

    def on_closed(self, _sender: object, error: BaseException | None) -> None:
        """The channel or its connection ended."""
        self._end(f"the consumer's channel closed: {error or 'it was told to'}")

    def on_cancelled(self, frame: object) -> None:
        """The broker took the consumer away, or confirms that we wanted it away."""
        if isinstance(frame, Basic.CancelOk) and self._tag is None:
            return
        self._end("the broker cancelled the consumer; its queue was deleted or moved")

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        self._news.set()

    async def _wait_for(self, wanted: int) -> None:
        """Until so many have arrived: who waits for a batch is not woken for each message of it."""
        while len(self._arrived) < wanted:
            self.check()
            self._wanted = wanted
            self._news.clear()
            await self._news.wait()
            self.check()


@asynccontextmanager
async def open_inbox(
    channel: AbstractChannel, queue: str, prefetch: int, arguments: FieldTable | None = None
) -> AsyncIterator[Inbox]:
    """Consume `queue` on `channel`, which is closed at the end: that gives back what is unacknowledged."""
    try:
        async with broker_errors(f"consuming from {queue}"):
            underlay = await channel.get_underlay_channel()
    except BaseException:
        await close_channel(channel)
        raise
    inbox = Inbox(channel, underlay, queue, arguments)
    channel.close_callbacks.add(inbox.on_closed)
    underlay.on_consumer_cancel_callbacks.add(inbox.on_cancelled)
    try:
        await inbox.allow(prefetch)
        yield inbox
    finally:
        await inbox.close()


class RabbitConsumer:
    """One consumer of one queue; see the port."""

    def __init__(
        self, inbox: Inbox, queue: str, publisher: RabbitPublisher, dead_letter_exchange: str
    ) -> None:
        self._inbox = inbox
        self._queue = queue
        self._publisher = publisher
        self._dead_letter_exchange = dead_letter_exchange
        self._unsettled = Unsettled()

    async def batch(self, limit: int, linger: timedelta = timedelta(0)) -> list[Delivery]:
        return [self._hand_out(arrived) for arrived in await self._inbox.batch(limit, linger)]

    async def allow(self, prefetch: int) -> None:
        await self._inbox.allow(prefetch)

    async def ack(self, upto: Delivery) -> None:
        tags = self._unsettled.settle_upto(upto.tag)
        if tags:
            # The last unsettled one, not `upto`: the broker closes the channel over a tag settled twice.
            await self._inbox.ack(tags[-1], multiple=True)

    async def ack_one(self, delivery: Delivery) -> None:
        if self._unsettled.settle(delivery.tag):
            await self._inbox.ack(delivery.tag, multiple=False)

    async def requeue(self, delivery: Delivery) -> None:
        if self._unsettled.settle(delivery.tag):
            await self._inbox.requeue(delivery.tag)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        if delivery.tag not in self._unsettled:
            return
        self._inbox.check()
        why = why_dead(reason, detail, self._queue, datetime.now(UTC))
        copy = replace(delivery.message, headers={**delivery.message.headers, **why})
        await self._publisher.publish(self._dead_letter_exchange, [copy])
        self._unsettled.settle(delivery.tag)
        await self._inbox.ack(delivery.tag, multiple=False)

    def _hand_out(self, arrived: Arrived) -> Delivery:
        self._unsettled.add(arrived.tag)
        return Delivery(message_of(arrived), self._queue, attempt_of(arrived), arrived.tag)

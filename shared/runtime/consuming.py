"""The loop by which every service consumes: batches in order, one acknowledgement, errors by the table.

In: deliveries of one queue. Out: batches of read events to a handler. A batch is acknowledged when the
handler has returned, so a handler commits before it does (G2) and can take the same event twice (G3).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.bus.port import Bus, Consumer, Delivery, Unroutable
from shared.events.base import Event
from shared.events.codec import Unreadable, decode
from shared.events.envelope import Envelope
from shared.events.topology import DELIVERY_LIMIT
from shared.runtime import consuming_metrics as metrics
from shared.runtime.backoff import Backoff
from shared.runtime.caution import ALONE, prefetch_for, size_for
from shared.runtime.errors import Action, ConflictError, PermanentError, TransientError, action_for

log = structlog.get_logger(__name__)

CONFLICTS_AT_ONCE = 10
"""Times a conflict is tried again at once; whoever loses that often waits like for any other obstacle."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event that came in, and the delivery that brought it (`delivery.message.reply_to`, its attempt)."""

    envelope: Envelope[Event]
    delivery: Delivery


Handler = Callable[[Sequence[Received]], Awaitable[None]]
"""Handles events in order, all or none: when it raises it is called again, with the same or each alone."""
Unread = Callable[[Delivery, Unreadable], Awaitable[None]]
"""Is told of a message that can't be read, before that becomes a dead letter: to answer who waits for one."""


class _Stopped(Exception):
    """Told to stop while waiting to try again."""


async def consume(
    bus: Bus,
    queue: str,
    handler: Handler,
    *,
    stop: asyncio.Event,
    batch: int = 200,
    linger: timedelta = timedelta(milliseconds=5),
    name: str,
    unread: Unread | None = None,
) -> None:
    """Consume `queue` until `stop`; the batch in hand is finished, what can't be is given back.

    What the handler raises: conflict, tried again at once; transient, held and tried again as long as it
    takes; permanent, dead letter with the error's code (only the guilty one, found by handling each alone);
    anything else, given back for another attempt until the queue's delivery limit. Unreadable messages are
    dead letters (G8). A lost bus is consumed from again. `name` is the service's, for its log.

    `unread` is told of each unreadable one first. Raises `PermanentError` when the queue can't be consumed at
    all.
    """
    logger = log.bind(service=name, queue=queue)
    backoff = Backoff()
    while not stop.is_set():
        try:
            # With care at first: whoever consumed before may have died of what comes now.
            async with bus.consume(queue, prefetch=ALONE) as consumer:
                handling = _Handling(consumer, queue, handler, stop, logger, unread=unread)
                await _consume_batches(handling, batch, linger, backoff)
        except _Stopped:
            return
        except (TransientError, Unroutable) as error:
            logger.warning("consumer_lost", reason=str(error), failures=backoff.failures + 1)
            metrics.LOST.labels(queue).inc()
            await backoff.wait(stop)


async def _consume_batches(handling: _Handling, size: int, linger: timedelta, backoff: Backoff) -> None:
    stopping = asyncio.create_task(handling.stop.wait())
    try:
        while not handling.stop.is_set():
            # Nothing more comes to who may hold one message only: no use in waiting for it.
            patience = linger if handling.held > ALONE else timedelta(0)
            waiting = asyncio.create_task(handling.consumer.batch(min(size, handling.held), patience))
            try:
                await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Cancelling it loses nothing; a batch that came just now is handled all the same.
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
            if not waiting.cancelled():
                await handling.handle(waiting.result(), size)
                backoff.succeeded()
    finally:
        stopping.cancel()


class _Handling:
    """Handles the batches of one consumer."""

    def __init__(
        self,
        consumer: Consumer,
        queue: str,
        handler: Handler,
        stop: asyncio.Event,
        logger: structlog.stdlib.BoundLogger,
        *,
        unread: Unread | None = None,
    ) -> None:
        self._unread = unread
        self.consumer = consumer
        self.held = ALONE
        """How many messages we may hold."""
        self.stop = stop
        self._queue = queue
        self._handler = handler
        self._log = logger

    async def handle(self, deliveries: Sequence[Delivery], size: int) -> None:
        """Handle and settle a batch, up to `size` messages at a time, fewer where some need care.

        RabbitMQ takes back what is on its way to us when we ask for another prefetch, and counts that as an
        attempt; the innocent would then need care themselves. Nothing is on its way while we hold all we may:
        so we ask for less before the first acknowledgement, and for more after the work but before the last.
        """
        together = size_for(max(each.attempt for each in deliveries), size)
        allowed = prefetch_for(together, size)
        if allowed < self.held:
            await self._allow(allowed)
        for start in range(0, len(deliveries), together):
            await self._handle(deliveries[start : start + together], allowed)

    async def _allow(self, prefetch: int) -> None:
        if prefetch != self.held:
            await self.consumer.allow(prefetch)
            self.held = prefetch

    async def _handle(self, deliveries: Sequence[Delivery], allowed: int) -> None:
        began = time.perf_counter()
        received = await self._read(deliveries)
        if received:
            error = await self._try(received)
            if error is None:
                metrics.HANDLED.labels(self._queue).inc(len(received))
            elif len(received) == 1:
                await self._give_up(received[0], error)
            else:
                await self._one_by_one(received)
        await self._allow(allowed)
        await self.consumer.ack(deliveries[-1])
        seconds = time.perf_counter() - began
        metrics.BATCH.labels(self._queue).observe(len(deliveries))
        metrics.SECONDS.labels(self._queue).observe(seconds)
        self._log.debug("events_handled", count=len(deliveries), seconds=round(seconds, 4))

    async def _read(self, deliveries: Sequence[Delivery]) -> list[Received]:
        received = []
        for delivery in deliveries:
            try:
                received.append(Received(decode(delivery.message.body), delivery))
            except Unreadable as error:
                await self._tell_unread(delivery, error)
                await self._dead_letter(delivery, error.reason, error.detail)
        return received

    async def _tell_unread(self, delivery: Delivery, error: Unreadable) -> None:
        backoff = Backoff()
        while self._unread is not None:
            try:
                await self._unread(delivery, error)
            except (TransientError, ConflictError) as obstacle:
                self._retried(obstacle, "transient")
                if not await backoff.wait(self.stop):
                    raise _Stopped from obstacle
            else:
                return

    async def _one_by_one(self, batch: Sequence[Received]) -> None:
        for received in batch:
            error = await self._try([received])
            if error is None:
                metrics.HANDLED.labels(self._queue).inc()
                # At once, so that a process that dies on the next one does not count against this one.
                await self.consumer.ack(received.delivery)
            else:
                await self._give_up(received, error)

    async def _try(self, batch: Sequence[Received]) -> Exception | None:
        """Call the handler until it returns, or raises what no further try will change; that is returned."""
        conflicts, backoff = 0, Backoff()
        while True:
            try:
                await self._handler(batch)
            except Exception as error:
                action = action_for(error)
                if action is Action.RETRY_NOW and conflicts < CONFLICTS_AT_ONCE:
                    conflicts += 1
                    self._retried(error, "conflict")
                elif action in {Action.RETRY_NOW, Action.RETRY_LATER}:
                    self._retried(error, "transient")
                    if not await backoff.wait(self.stop):
                        raise _Stopped from error
                else:
                    return error
            else:
                return None

    def _retried(self, error: Exception, kind: str) -> None:
        metrics.RETRIED.labels(self._queue, kind).inc()
        write = self._log.debug if kind == "conflict" else self._log.warning
        write("events_retried", kind=kind, reason=str(error))

    async def _give_up(self, received: Received, error: Exception) -> None:
        """One event that its handler will not take."""
        if isinstance(error, PermanentError):
            await self._dead_letter(received.delivery, error.code, str(error))
            return
        delivery = received.delivery
        self._log.error(
            "event_failed",
            id=delivery.message.message_id,
            type=received.envelope.type,
            subject=received.envelope.subject,
            attempt=delivery.attempt,
            exc_info=error,
        )
        metrics.RETRIED.labels(self._queue, "defect").inc()
        await self.consumer.requeue(delivery)
        if delivery.attempt > DELIVERY_LIMIT:  # the bus buries it now
            metrics.DEAD_LETTERED.labels(self._queue, "delivery_limit").inc()

    async def _dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        await self.consumer.dead_letter(delivery, reason, detail)
        metrics.DEAD_LETTERED.labels(self._queue, reason).inc()
        self._log.warning(
            "event_dead_lettered", id=delivery.message.message_id, type=delivery.message.type, reason=reason,
            detail=detail,
        )  # fmt: skip

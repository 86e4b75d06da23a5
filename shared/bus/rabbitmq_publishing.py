"""Publishing to RabbitMQ: many messages under way, each one confirmed or known to have gone nowhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from shared.bus.port import BusLost, Message, PublishFailed, Unroutable
from shared.bus.rabbitmq_connection import (
    LIBRARY_ERRORS,
    Link,
    broker_errors,
    close_channel,
    in_our_words,
    is_unknown,
)
from shared.bus.rabbitmq_messages import properties_of
from shared.bus.redaction import without_secrets

CHUNK = 250
CHUNKS_UNDER_WAY = 2
"""Two chunks of 250 keep at most 500 messages unconfirmed, and the broker busy while one is awaited."""

CONFIRM_SECONDS = 60.0
"""A broker out of memory or disk holds confirms back without end. After this it is told to the caller."""

DIRECT_REPLY = "amq.rabbitmq.reply-to."
"""Pseudo queues of requesters that use RabbitMQ's direct reply-to. The broker returns mandatory messages to
them as unroutable although it delivers them, so to these alone we publish without."""


class RabbitPublisher:
    """Publishes for one process, on a channel of its own that is made again when it was lost."""

    def __init__(self, link: Link, queues: Callable[[], Iterable[str]]) -> None:
        """`queues` names those that must be there before anything is published."""
        self._link = link
        self._queues = queues
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._returned: list[set[str]] = []

    async def publish(self, exchange: str, messages: Sequence[Message]) -> None:
        """Publish to `exchange` ("" is the one that leads to the queue of that name), persistently.

        Raises `PublishFailed`, `Unroutable`; both with indices into `messages`.
        """
        if not messages:
            return
        returned: set[str] = set()
        self._returned.append(returned)
        try:
            outcomes = await self._publish(exchange, messages)
        finally:
            # By identity: two publishers' empty sets are equal.
            self._returned = [keys for keys in self._returned if keys is not returned]
        _judge(exchange, messages, outcomes, returned)

    async def _publish(self, exchange: str, messages: Sequence[Message]) -> list[BaseException | None]:
        outcomes: list[BaseException | None] = []
        under_way: deque[asyncio.Future[list[BaseException | None]]] = deque()
        try:
            channel = await self._open()
            async with broker_errors("publishing"):
                underlay = await channel.get_underlay_channel()
            for start in range(0, len(messages), CHUNK):
                if len(under_way) == CHUNKS_UNDER_WAY:
                    outcomes += await self._confirmed(under_way.popleft())
                    if any(isinstance(outcome, BusLost) for outcome in outcomes[-CHUNK:]):
                        break
                chunk = messages[start : start + CHUNK]
                now = datetime.now(UTC)
                under_way.append(
                    asyncio.gather(*(_publish_one(underlay, exchange, message, now) for message in chunk))
                )
            while under_way:
                outcomes += await self._confirmed(under_way.popleft())
        except BusLost as error:
            outcomes.append(error)
        finally:
            for left in under_way:
                left.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        lost = next((outcome for outcome in outcomes if isinstance(outcome, BusLost)), BusLost("cut short"))
        return outcomes + [lost] * (len(messages) - len(outcomes))

    async def _confirmed(
        self, chunk: asyncio.Future[list[BaseException | None]]
    ) -> list[BaseException | None]:
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                return await chunk
        except TimeoutError:
            # Confirms that come later must not be taken for those of later messages.
            await self.close()
            raise BusLost(
                f"the broker did not confirm within {CONFIRM_SECONDS:g} s; it may be out of memory or disk"
            ) from None

    async def _open(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._check_queues()
                self._channel = await self._link.open_channel(confirms=True)
                underlay = await self._channel.get_underlay_channel()
                underlay.on_return_callbacks.add(self._on_return)
            return self._channel

    async def _check_queues(self) -> None:
        """Raises `BusLost` while the broker, just started, has not found all queues again.

        It would confirm a message as soon as those queues have it that are there: the log would lack it.
        A queue that does not exist at all is no reason to wait.
        """
        async with self._link.channel() as channel:
            for queue in self._queues():
                async with broker_errors(f"looking for queue {queue}"):
                    underlay = await channel.get_underlay_channel()
                    try:
                        await underlay.queue_declare(queue, passive=True)
                    except ChannelNotFoundEntity as error:
                        if not is_unknown(error):
                            raise
                        await channel.reopen()

    def _on_return(self, message: DeliveredMessage) -> None:
        # By routing key, not by message id: the library finds the publish by its id, and gets it wrong when
        # the same id is under way twice, as it is when a publish is tried again.
        for keys in self._returned:
            keys.add(message.routing_key or "")

    async def close(self) -> None:
        """Close the channel; the next publish opens one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await close_channel(channel)


async def _publish_one(
    underlay: UnderlayChannel, exchange: str, message: Message, now: datetime
) -> BaseException | None:
    try:
        confirmation = await underlay.basic_publish(
            message.body,
            exchange=exchange,
            routing_key=message.routing_key,
            properties=properties_of(message, now),
            mandatory=bool(exchange) or not message.routing_key.startswith(DIRECT_REPLY),
        )
    except ChannelNotFoundEntity as error:
        return error
    except LIBRARY_ERRORS as error:
        ours = in_our_words("publishing", error)
        if isinstance(ours, BusLost):
            return ours
        raise ours from error
    return BusLost("the broker rejected the message") if isinstance(confirmation, Basic.Nack) else None


def _judge(
    exchange: str,
    messages: Sequence[Message],
    outcomes: Sequence[BaseException | None],
    returned: set[str],
) -> None:
    missing = [
        index
        for index, outcome in enumerate(outcomes)
        if isinstance(outcome, ChannelNotFoundEntity) and f"'{exchange}'" in str(outcome)
    ]
    unroutable = {index for index, message in enumerate(messages) if message.routing_key in returned}
    unroutable.update(missing)
    failed = [index for index, outcome in enumerate(outcomes) if outcome and index not in unroutable]
    if failed:
        raise PublishFailed(failed, without_secrets(outcomes[failed[0]]))
    if unroutable:
        indices = sorted(unroutable)
        raise Unroutable(indices, [messages[index].routing_key for index in indices])

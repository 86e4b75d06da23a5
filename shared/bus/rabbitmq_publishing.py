"""Publishing to RabbitMQ: many messages under way, each one confirmed or known to have gone nowhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from shared.bus.port import BusLost, Message, PublishFailed, Unroutable
from shared.bus.rabbitmq_channel import library_fits, open_window_channel
from shared.bus.rabbitmq_connection import (
    CONNECT_TIMEOUT,
    LIBRARY_ERRORS,
    Closable,
    Link,
    broker_errors,
    close_channel,
    in_our_words,
    is_unknown,
)
from shared.bus.rabbitmq_one_by_one import PlainChannel
from shared.bus.redaction import without_secrets

log = structlog.get_logger(__name__)
T = TypeVar("T")
Confirmed = asyncio.Future[tuple[int, ...]]
"""Ends when a window is settled, with the places of the messages that the broker refused."""

WINDOW = 250
WINDOW_BYTES = 1 << 20
WINDOWS_UNDER_WAY = 2
"""Two windows of 250 keep at most 500 messages unconfirmed, and the broker busy while one is awaited."""

CONFIRM_SECONDS = 60.0
"""A broker out of memory or disk holds confirms back without end. After this it is told to the caller."""

Outcomes = dict[int, BaseException]
"""What went wrong, by the index of the message."""


class Publishing(Closable, Protocol):
    """A channel that publishes windows, see `WindowChannel`."""

    async def publish_window(
        self, exchange: str, messages: Sequence[Message], now: datetime
    ) -> Confirmed: ...


class RabbitPublisher:
    """Publishes for one process, on a channel of its own that is made again when it was lost."""

    def __init__(self, link: Link, queues: Callable[[], Iterable[str]]) -> None:
        """`queues` names those that must be there before anything is published."""
        self._link = link
        self._queues = queues
        self._channel: Publishing | None = None
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

    async def _publish(self, exchange: str, messages: Sequence[Message]) -> Outcomes:
        try:
            channel = await self._open()
        except BusLost as error:
            return dict.fromkeys(range(len(messages)), error)
        windows = _Windows(lambda part: channel.publish_window(exchange, part, datetime.now(UTC)), self)
        return await windows.publish(messages)

    async def patiently(self, work: Awaitable[T]) -> T:
        """The result of what waits for the broker, with errors in our words.

        Raises `BusLost`; and what the library raises for an exchange that is not there, for `_judge` to read.
        """
        patience = asyncio.timeout(CONFIRM_SECONDS)
        try:
            async with patience:
                return await work
        except ChannelNotFoundEntity:
            raise
        except LIBRARY_ERRORS as error:
            if not patience.expired():
                raise in_our_words("publishing", error) from error
        # Confirms that come later must not be taken for those of later messages.
        await self.close()
        raise BusLost(
            f"the broker did not confirm within {CONFIRM_SECONDS:g} s; it may be out of memory or disk"
        )

    async def _open(self) -> Publishing:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._check_queues()
                self._channel = await self._open_channel()
            return self._channel

    async def _open_channel(self) -> Publishing:
        if library_fits():
            transport = await self._link.transport()
            async with broker_errors("opening a channel"), asyncio.timeout(CONNECT_TIMEOUT):
                return await open_window_channel(transport, self._on_return)
        log.warning("publishing one by one: this version of aiormq is not known")
        plain = PlainChannel(await self._link.open_channel(confirms=True))
        await plain.listen(self._on_return)
        return plain

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
        # By routing key, not by message id: the same id may be under way twice, as it is when a publish is
        # tried again.
        for keys in self._returned:
            keys.add(message.routing_key or "")

    async def close(self) -> None:
        """Close the channel; the next publish opens one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await close_channel(channel)


class _Windows:
    """One call of `publish`: windows under way, and what went wrong."""

    def __init__(
        self, write: Callable[[Sequence[Message]], Awaitable[Confirmed]], publisher: RabbitPublisher
    ) -> None:
        self._write = write
        self._publisher = publisher
        self._under_way: deque[tuple[range, Confirmed]] = deque()
        self._outcomes: Outcomes = {}

    async def publish(self, messages: Sequence[Message]) -> Outcomes:
        sent = 0
        try:
            for window in _cut(messages):
                if len(self._under_way) == WINDOWS_UNDER_WAY:
                    await self._settle_oldest()
                if self._outcomes:
                    break
                await self._send(window, messages[window.start : window.stop])
                sent = window.stop
            while self._under_way:
                await self._settle_oldest()
        finally:
            for _, left in self._under_way:
                left.cancel()
        if sent < len(messages):
            last = self._outcomes[max(self._outcomes)]
            self._outcomes |= dict.fromkeys(range(sent, len(messages)), last)
        return self._outcomes

    async def _send(self, window: range, part: Sequence[Message]) -> None:
        try:
            confirmed = await self._publisher.patiently(self._write(part))
        except (BusLost, ChannelNotFoundEntity) as error:
            self._outcomes.update(dict.fromkeys(window, error))
        else:
            self._under_way.append((window, confirmed))

    async def _settle_oldest(self) -> None:
        window, confirmed = self._under_way.popleft()
        try:
            refused = await self._publisher.patiently(confirmed)
        except (BusLost, ChannelNotFoundEntity) as error:
            self._outcomes.update(dict.fromkeys(window, error))
        else:
            for place in refused:
                self._outcomes[window[place]] = BusLost("the broker rejected the message")


def _cut(messages: Sequence[Message]) -> Iterator[range]:
    """Parts of `messages` to be written in one go: no more than a number, nor, of several, than a size."""
    start = size = 0
    for index, message in enumerate(messages):
        if index > start and (index - start == WINDOW or size + len(message.body) > WINDOW_BYTES):
            yield range(start, index)
            start, size = index, 0
        size += len(message.body)
    yield range(start, len(messages))


def _judge(exchange: str, messages: Sequence[Message], outcomes: Outcomes, returned: set[str]) -> None:
    missing = (
        isinstance(outcome, ChannelNotFoundEntity) and f"'{exchange}'" in str(outcome)
        for outcome in outcomes.values()
    )
    # Without the exchange the channel is closed as well, and what else failed did so for that reason.
    unroutable = set(outcomes) if any(missing) else set()
    if returned:
        unroutable.update(index for index, each in enumerate(messages) if each.routing_key in returned)
    failed = sorted(set(outcomes) - unroutable)
    if failed:
        raise PublishFailed(failed, without_secrets(outcomes[failed[0]]))
    if unroutable:
        indices = sorted(unroutable)
        raise Unroutable(indices, [messages[index].routing_key for index in indices])

"""Publishing to RabbitMQ: many messages under way, each one confirmed or known to have gone nowhere."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from shared.bus.obstacles import BLOCKED, FULL, Obstacles
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
from shared.bus.rabbitmq_pace import Pace, cut
from shared.bus.redaction import without_secrets

log = structlog.get_logger(__name__)
T = TypeVar("T")
Confirmed = asyncio.Future[tuple[int, ...]]
"""Ends when a window is settled, with the places of the messages that the broker refused."""

CONFIRM_SECONDS = 60.0
"""How long a confirm may take of a broker that takes what we send."""

BLOCKED_SECONDS = 10.0
"""A broker out of memory or disk holds confirms back without end. After this it is told to the caller, who
may want to stop; who tries again waits in front of the door and sends nothing."""

LOOK_SECONDS = 1.0

REJECTED = "the broker rejected the message: a queue that it goes to is full"


Outcomes = dict[int, BaseException]
"""What went wrong, by the index of the message."""


class Publishing(Closable, Protocol):
    """A channel that publishes windows, see `WindowChannel`."""

    async def publish_window(
        self, exchange: str, messages: Sequence[Message], now: datetime
    ) -> Confirmed: ...


class RabbitPublisher:
    """Publishes for one process, on a channel of its own that is made again when it was lost."""

    def __init__(self, link: Link, queues: Callable[[], Iterable[str]], obstacles: Obstacles) -> None:
        """`queues`: those that must be there before anything is published. `obstacles`: the link's."""
        self._link = link
        self._queues = queues
        self._channel: Publishing | None = None
        self._opening = asyncio.Lock()
        self._returned: list[set[str]] = []
        self.pace = Pace()
        self._obstacles = obstacles
        self._closing: set[asyncio.Task[None]] = set()

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
            await self._wait_outside()
            channel = await self._open()
        except BusLost as error:
            return dict.fromkeys(range(len(messages)), error)
        windows = _Windows(lambda part: channel.publish_window(exchange, part, datetime.now(UTC)), self)
        outcomes = await windows.publish(messages)
        if not outcomes:
            self._obstacles.clear(FULL)
        return outcomes

    async def _wait_outside(self) -> None:
        """While the broker takes nothing, nothing is sent: it would only fill buffers, ours and its own."""
        if BLOCKED not in self._obstacles:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCKED_SECONDS):
                await self._obstacles.gone(BLOCKED)
        if BLOCKED in self._obstacles:
            raise BusLost(self._obstacles.reason or "blocked by the broker")

    async def patiently(self, work: Awaitable[T]) -> T:
        """The result of what waits for the broker, with errors in our words.

        Raises `BusLost`; and what the library raises for an exchange that is not there, for `_judge` to read.
        """
        waiting = asyncio.ensure_future(work)
        try:
            given_up = await self._give_up(waiting)
            if given_up is None:
                return waiting.result()
        except ChannelNotFoundEntity:
            raise
        except LIBRARY_ERRORS as error:
            raise in_our_words("publishing", error) from error
        finally:
            waiting.cancel()
        # Confirms that come later must not be taken for those of later messages.
        self._leave_channel()
        raise BusLost(given_up)

    async def _give_up(self, waiting: asyncio.Future[T]) -> str | None:
        """None when `waiting` is over, else why not to wait for it any longer."""
        began = time.monotonic()
        while not (await asyncio.wait((waiting,), timeout=LOOK_SECONDS))[0]:
            if self._obstacles.seconds(BLOCKED) > BLOCKED_SECONDS:
                return self._obstacles.reason
            if BLOCKED not in self._obstacles and time.monotonic() - began > CONFIRM_SECONDS:
                return f"the broker did not confirm within {CONFIRM_SECONDS:g} s"
        return None

    def rejected(self) -> None:
        """The broker refused a message: a queue that may not grow any more is full."""
        self.pace.refused()
        self._obstacles.arise(FULL, REJECTED)

    def _leave_channel(self) -> None:
        # A blocked broker answers no farewell either: whoever stops must not wait for it.
        channel, self._channel = self._channel, None
        if channel is not None:
            closing = asyncio.create_task(close_channel(channel))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

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
        await asyncio.gather(*self._closing)


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
            while sent < len(messages):
                while len(self._under_way) >= self._publisher.pace.windows:
                    await self._settle_oldest()
                if self._outcomes:
                    break
                window = cut(messages, sent, self._publisher.pace.size)
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
            if refused:
                self._publisher.rejected()
            else:
                self._publisher.pace.taken()
            for place in refused:
                self._outcomes[window[place]] = BusLost(REJECTED)


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

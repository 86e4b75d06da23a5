"""A channel of the client library's that publishes windows: one write and one future for many messages.

It takes over three things of the library's channel: what it does with a confirm, what it does with a returned
message, and the numbering of publishes. The rest (opening, closing, what happens when broker or connection go
away) is the library's own, and ends the futures that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import count

import structlog
from aiormq.abc import AbstractConnection, ChannelFrame, ConfirmationFrameType, DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.bus.port import Message
from shared.bus.rabbitmq_confirms import Confirms, Window
from shared.bus.rabbitmq_frames import publishes

log = structlog.get_logger(__name__)
Returned = Callable[[DeliveredMessage], None]

FRAMES_READ_AHEAD = 10
"""As the library has it: a channel that does not keep up stops the connection's reading."""

_TAKEN_OVER = ("_on_confirm_frame", "_on_return_frame")
_RELIED_ON = ("_get_frame", "_read_content", "lock", "create_future", "open")
_WRITTEN = ("payload", "should_close", "drain_future")


def library_fits() -> bool:
    """Whether the library's channel is inside what `WindowChannel` takes it for."""
    known = all(hasattr(Channel, name) for name in (*_TAKEN_OVER, *_RELIED_ON))
    return known and tuple(field.name for field in fields(ChannelFrame))[: len(_WRITTEN)] == _WRITTEN


class WindowChannel(Channel):
    """Publishes with confirms. `returned` is told of messages that no queue takes."""

    def __init__(self, connection: AbstractConnection, number: int, returned: Returned) -> None:
        super().__init__(connection, number, publisher_confirms=True, frame_buffer=FRAMES_READ_AHEAD)
        self._confirms = Confirms()
        self._returned = returned
        self._frame_max = connection.connection_tune.frame_max

    async def publish_window(
        self, exchange: str, messages: Sequence[Message], now: datetime
    ) -> asyncio.Future[tuple[int, ...]]:
        """Write `messages` at once, and return when the socket takes more.

        The future ends when the broker has confirmed all; its result are the places of those it refused. It
        fails with what closed the channel.
        """
        payload = publishes(messages, exchange, now, channel=self.number, frame_max=self._frame_max)
        confirmed: asyncio.Future[tuple[int, ...]] = self.create_future()
        drained = self.create_future()
        try:
            async with self.lock:
                window = self._confirms.open(len(messages), lambda refused: _finish(confirmed, refused))
                await self._write(window, ChannelFrame(payload, should_close=False, drain_future=drained))
            await drained
        except BaseException:
            # Nobody waits for these any more; the channel would keep them until it is closed.
            confirmed.cancel()
            drained.cancel()
            raise
        return confirmed

    async def _write(self, window: Window, frames: ChannelFrame) -> None:
        try:
            await self.write_queue.put(frames)
        except BaseException:
            # Cut short while the queue was full: the broker will not see these, and counts on without them.
            self._confirms.undo(window)
            raise

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        refused = not isinstance(frame, Basic.Ack)
        multiple = not isinstance(frame, Basic.Reject) and frame.multiple
        known = self._confirms.settle(frame.delivery_tag or 0, multiple=bool(multiple), refused=refused)
        if not known:
            log.error("confirm of something unpublished", tag=frame.delivery_tag)

    async def _on_return_frame(self, frame: Basic.Return) -> None:
        header = await self._get_frame()
        if not isinstance(header, ContentHeader):
            raise TypeError(f"{type(header).__name__} in place of a returned message's header")
        self._returned(await self._read_content(frame, header))


async def open_window_channel(connection: AbstractConnection, returned: Returned) -> WindowChannel:
    """A channel on the library's connection, ready to publish; close it with `close_channel`."""
    await connection.ready()
    # No waiting between choosing the number and taking it, or the library would give it to somebody else.
    number = next(each for each in count(1) if each not in connection.channels)
    channel = connection.channels[number] = WindowChannel(connection, number, returned)
    await channel.open()
    return channel


def _finish(confirmed: asyncio.Future[tuple[int, ...]], refused: tuple[int, ...]) -> None:
    if not confirmed.done():
        confirmed.set_result(refused)

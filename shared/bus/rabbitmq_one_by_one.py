"""Publishing with the client library's own means, a call and a future for each message.

Slower, and for the day when a newer library is not inside what `rabbitmq_channel` takes it for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from shared.bus.port import Message
from shared.bus.rabbitmq_messages import is_mandatory, properties_of


class PlainChannel:
    """As `WindowChannel`, on any channel with confirms."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    @property
    def is_closed(self) -> bool:
        return self._channel.is_closed

    async def close(self) -> None:
        await self._channel.close()

    async def listen(self, returned: Callable[[DeliveredMessage], None]) -> None:
        """Have `returned` told of messages that no queue takes."""
        (await self._channel.get_underlay_channel()).on_return_callbacks.add(returned)

    async def publish_window(
        self, exchange: str, messages: Sequence[Message], now: datetime
    ) -> asyncio.Future[tuple[int, ...]]:
        """As `WindowChannel.publish_window`."""
        return asyncio.ensure_future(self._publish(exchange, messages, now))

    async def _publish(self, exchange: str, messages: Sequence[Message], now: datetime) -> tuple[int, ...]:
        confirmed = await asyncio.gather(*(self._publish_one(exchange, each, now) for each in messages))
        return tuple(place for place, taken in enumerate(confirmed) if not taken)

    async def _publish_one(self, exchange: str, message: Message, now: datetime) -> bool:
        underlay = await self._channel.get_underlay_channel()
        try:
            answer = await underlay.basic_publish(
                message.body,
                exchange=exchange,
                routing_key=message.routing_key,
                properties=properties_of(message, now),
                mandatory=is_mandatory(exchange, message.routing_key),
            )
        except DeliveryError:
            return False
        return not isinstance(answer, Basic.Nack)

"""Asking over the bus: one private reply queue per process, opened with the first request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from shared.bus.port import BusLost, Consumer, Message, NoReply
from shared.bus.replies import PendingReplies

_BATCH = 200


class _Publish(Protocol):
    async def __call__(self, messages: list[Message], /) -> None: ...


class Requests:
    """Requests of one process and the answers to them; the same for both adapters.

    `open_queue` enters a private queue and gives its name and consumer; `publish` sends and confirms.
    """

    def __init__(
        self,
        open_queue: Callable[[], AbstractAsyncContextManager[tuple[str, Consumer]]],
        publish: _Publish,
    ) -> None:
        self._open_queue = open_queue
        self._publish = publish
        self._pending = PendingReplies()
        self._name: asyncio.Future[str] | None = None
        self._receiving: asyncio.Task[None] | None = None

    async def request(self, message: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109  see the port
        """See the port."""
        correlation = message.correlation_id or message.message_id
        with self._pending.expect(correlation) as answer:
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    reply_to = await self._reply_queue()
                    await self._publish([replace(message, reply_to=reply_to, correlation_id=correlation)])
                    return await answer
            except TimeoutError:
                seconds = timeout.total_seconds()
                raise NoReply(f"no answer to {message.routing_key} within {seconds:g} s") from None

    async def close(self) -> None:
        """Give up the reply queue; who still waits gets `NoReply`."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)
            self._receiving = None

    async def _reply_queue(self) -> str:
        if self._name is None or self._receiving is None or self._receiving.done():
            self._name = asyncio.get_running_loop().create_future()
            self._receiving = asyncio.create_task(self._receive(self._name))
        return await asyncio.shield(self._name)

    async def _receive(self, name: asyncio.Future[str]) -> None:
        lost: Exception = NoReply("the bus was closed while an answer was due")
        try:
            async with self._open_queue() as (queue, consumer):
                name.set_result(queue)
                while True:
                    deliveries = await consumer.batch(_BATCH)
                    for delivery in deliveries:
                        self._pending.arrived(delivery.message)
                    await consumer.ack(deliveries[-1])
        except BusLost as error:
            lost = NoReply(f"the way back for the answer was lost, it may still be carried out: {error}")
        finally:
            if not name.done():
                name.set_exception(lost)
                # Nobody may be waiting for it; asyncio would complain at the end of the process.
                with suppress(Exception):
                    name.exception()
            self._pending.fail(lost)

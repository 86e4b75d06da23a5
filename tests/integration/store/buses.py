"""A bus that fails where a test wants it to: the publish boundary, and nothing else of the port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from shared.bus.port import Consumer, DeadLetter, LogEntry, LogStart, Message, QueueState
from shared.events.topology import Topology

Fault = Callable[[Sequence[Message]], Awaitable[None]]


class ScriptedBus:
    """Records what is published. Before a window is taken, the next of `faults` has its say."""

    def __init__(self, *faults: Fault | None) -> None:
        self.faults = list(faults)
        self.published: list[Message] = []
        self.offered: list[list[str]] = []
        self._change = asyncio.Condition()

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        del to_queue
        self.offered.append([message.message_id for message in messages])
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            await fault(messages)
        await self.take(messages)

    async def take(self, messages: Sequence[Message]) -> None:
        """Count messages as arrived."""
        async with self._change:
            self.published += messages
            self._change.notify_all()

    async def until(self, count: int) -> list[str]:
        """The ids of what was published, once it is at least `count` messages."""
        async with asyncio.timeout(30), self._change:
            await self._change.wait_for(lambda: len(self.published) >= count)
            return [message.message_id for message in self.published]

    async def declare(self, topology: Topology) -> None:
        raise NotImplementedError

    def consume(self, queue: str, *, prefetch: int = 1000) -> AbstractAsyncContextManager[Consumer]:
        raise NotImplementedError

    def subscribe(
        self, bindings: Sequence[str], *, prefetch: int = 1000
    ) -> AbstractAsyncContextManager[Consumer]:
        raise NotImplementedError

    async def request(self, message: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109  the port's
        raise NotImplementedError

    def read_log(self, start: LogStart, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        raise NotImplementedError

    def dead_letters(self) -> AsyncIterator[DeadLetter]:
        raise NotImplementedError

    async def state(self, queue: str) -> QueueState:
        raise NotImplementedError

    def on_obstacle(self, told: Callable[[str | None], None]) -> None:
        raise NotImplementedError

    async def obstacle(self) -> str | None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

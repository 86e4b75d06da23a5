"""Answers on their way: who waits for which correlation id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.bus.port import Message


class PendingReplies:
    """The requests of one process that wait for their answer."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    @contextmanager
    def expect(self, correlation_id: str) -> Iterator[asyncio.Future[Message]]:
        """A future for the answer. Raises ValueError when that id is waited for already."""
        if correlation_id in self._waiting:
            raise ValueError(f"a request with correlation id {correlation_id!r} is under way already")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = answer
        try:
            yield answer
        finally:
            del self._waiting[correlation_id]

    def arrived(self, message: Message) -> bool:
        """Hand an answer to who waits for it. False when nobody does (any more): it came too late."""
        answer = self._waiting.get(message.correlation_id or "")
        if answer is None or answer.done():
            return False
        answer.set_result(message)
        return True

    def fail(self, error: Exception) -> None:
        """The way back is gone: all who wait get `error`."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)

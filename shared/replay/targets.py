"""Where replayed messages go: one queue, or a file. Both take a window and return when it is safe there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shared.bus.port import Bus, LogEntry, PublishFailed, Unroutable
from shared.events.topology import Queue, Topology
from shared.replay.files import EventWriter
from shared.replay.plan import Replay
from shared.replay.rules import check_queue, marked
from shared.runtime.errors import PermanentError

ATTEMPTS = 8
"""Times a window is published again when the bus does not confirm it, up to five seconds apart."""


class Sink(Protocol):
    """Takes windows of entries."""

    @property
    def size(self) -> int:
        """Where the file that it writes surely ends, in bytes; 0 for a queue."""
        ...

    async def take(self, entries: Sequence[LogEntry]) -> None:
        """Return when all are safe there. Raises `PermanentError`, `TransientError`."""
        ...


class QueueSink:
    """Sends to one queue by its name, confirmed, with the replay's marks."""

    size = 0

    def __init__(self, bus: Bus, queue: str, replay: str) -> None:
        self._bus = bus
        self._queue = queue
        self._replay = replay

    async def take(self, entries: Sequence[LogEntry]) -> None:
        messages = [marked(entry, self._queue, self._replay) for entry in entries]
        for attempt in range(ATTEMPTS):
            try:
                return await self._bus.publish(messages, to_queue=True)
            except Unroutable:
                raise PermanentError(
                    f"queue {self._queue!r} is gone",
                    code="queue_unknown",
                    hint="declare it again, then resume",
                ) from None
            except PublishFailed as error:
                if attempt == ATTEMPTS - 1:
                    raise
                messages = [messages[index] for index in error.unconfirmed]
                await asyncio.sleep(min(5.0, 0.1 * 2**attempt))
        return None


class FileSink:
    """Writes to a file, outside of the event loop."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer

    @property
    def size(self) -> int:
        return self._writer.size

    async def take(self, entries: Sequence[LogEntry]) -> None:
        await asyncio.to_thread(self._writer.write, entries)


async def queue_exists(bus: Bus, queue: str) -> bool:
    """Is there such a queue?"""
    try:
        await bus.state(queue)
    except KeyError:
        return False
    return True


async def open_sink(bus: Bus, replay: Replay) -> Sink:
    """The target of a replay that begins or goes on. Raises `PermanentError`."""
    target = replay.plan.target
    if target.file is not None:
        path = Path(target.file)
        return FileSink(await asyncio.to_thread(EventWriter.resume, path, replay.progress.size))
    assert target.queue is not None  # noqa: S101  a target is one of the two
    exists = await queue_exists(bus, target.queue)
    if target.fresh and not exists:
        await make_queue(bus, target.queue)
    else:
        check_queue(target.queue, fresh=False, exists=exists)
    return QueueSink(bus, target.queue, replay.id)


async def make_queue(bus: Bus, queue: str) -> None:
    """Declare a queue that nothing is bound to: what is in it was played into it."""
    await bus.declare(Topology(queues=(Queue(queue),)))

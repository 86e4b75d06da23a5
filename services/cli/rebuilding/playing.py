"""The log, read in pieces from a place to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from shared.bus.port import Bus, LogEntry, LogStart

PIECE = 500

Take = Callable[[Sequence[LogEntry]], Awaitable[None]]
Played = Callable[[LogEntry, int], None]
"""Is told of the last entry of each piece, and how many entries it had."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was played: how many entries, and the first and the last of them."""

    entries: int = 0
    first: LogEntry | None = None
    last: LogEntry | None = None


async def play(bus: Bus, start: LogStart, take: Take, played: Played | None = None) -> Stretch:
    """Hand the log from `start` to its present end to `take`, piece by piece."""
    entries, first, last = 0, None, None
    async with aclosing(pieces(bus, start)) as parts:
        async for piece in parts:
            await take(piece)
            entries += len(piece)
            first, last = first or piece[0], piece[-1]
            if played is not None:
                played(last, len(piece))
    return Stretch(entries, first, last)


async def pieces(bus: Bus, start: LogStart) -> AsyncGenerator[list[LogEntry]]:
    """The log from `start` to its present end, in pieces."""
    piece: list[LogEntry] = []
    async for entry in bus.read_log(start):
        piece.append(entry)
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


async def end_of_log(bus: Bus) -> LogEntry | None:
    """The last entry; None in an empty log."""
    async for entry in bus.read_log("last"):
        return entry
    return None


async def start_of_log(bus: Bus) -> LogEntry | None:
    """The first entry that is kept; None in an empty log."""
    reading = bus.read_log("first")
    try:
        async for entry in reading:
            return entry
    finally:
        if isinstance(reading, AsyncGenerator):
            await reading.aclose()
    return None

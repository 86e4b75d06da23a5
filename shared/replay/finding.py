"""From places that people name to offsets: what needs a look into the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import cast

from shared.bus.port import Bus, LogEntry, LogStart
from shared.replay.places import EventId, Place, Stretch
from shared.runtime.errors import PermanentError

Looked = Callable[[int], None]
"""Is told the offset that a search has come to, now and then."""


def entries(bus: Bus, start: LogStart) -> AsyncGenerator[LogEntry]:
    """The log from `start` to its end, to be closed by whoever does not read it to the end."""
    return cast("AsyncGenerator[LogEntry]", bus.read_log(start))


async def first_entry(bus: Bus, start: LogStart) -> LogEntry | None:
    """The first entry from `start` on."""
    async with aclosing(entries(bus, start)) as reading:
        async for entry in reading:
            return entry
    return None


async def stretch(bus: Bus, begin: Place, end: Place, looked: Looked | None = None) -> Stretch:
    """The entries from `begin` to `end`. What comes into the log from now on is not of them.

    Raises `PermanentError`: log_empty, place_unknown (no event of that id), stretch_empty.
    """
    oldest, newest = await first_entry(bus, "first"), await first_entry(bus, "last")
    if oldest is None or newest is None:
        raise PermanentError("the log is empty", code="log_empty", hint="nothing was published yet")
    found = await _found(bus, [p.id for p in (begin, end) if isinstance(p, EventId)], looked)
    first = _first(begin, oldest.offset, newest.offset, found)
    last = _last(end, oldest.offset, newest.offset, found)
    since = begin if isinstance(begin, datetime) else None
    until = end if isinstance(end, datetime) else None
    if since is not None and (at := await first_entry(bus, since)) is not None:
        first = at.offset
    elif since is not None:
        first = newest.offset + 1
    if first > last or (since is not None and until is not None and since > until):
        raise PermanentError(
            f"nothing is between {_words(begin)} and {_words(end)}; the log goes from offset {oldest.offset} "
            f"({oldest.time:%Y-%m-%d %H:%M:%SZ}) to {newest.offset} ({newest.time:%Y-%m-%d %H:%M:%SZ})",
            code="stretch_empty",
            hint="look with: patchbay events tail --from first --no-follow",
        )
    return Stretch(first, last, since, until)


def _first(place: Place, oldest: int, newest: int, found: dict[str, tuple[int, int]]) -> int:
    if isinstance(place, EventId):
        return found[place.id][0]
    if isinstance(place, int):
        return max(place, oldest)
    return newest if place == "last" else oldest


def _last(place: Place, oldest: int, newest: int, found: dict[str, tuple[int, int]]) -> int:
    if isinstance(place, EventId):
        return found[place.id][1]
    if isinstance(place, int):
        return min(place, newest)
    return oldest if place == "first" else newest


async def _found(bus: Bus, ids: list[str], looked: Looked | None) -> dict[str, tuple[int, int]]:
    """First and last offset of each id. The log has no index: it is read from its beginning."""
    found: dict[str, tuple[int, int]] = {}
    if not ids:
        return found
    wanted = frozenset(ids)
    async with aclosing(entries(bus, "first")) as reading:
        async for entry in reading:
            if looked is not None and entry.offset % 500 == 0:
                looked(entry.offset)
            if (identity := entry.message.message_id) in wanted:
                found[identity] = (found.get(identity, (entry.offset, 0))[0], entry.offset)
    for identity in ids:
        if identity not in found:
            raise PermanentError(
                f"no event {identity!r} is in the log",
                code="place_unknown",
                hint="ids are shown by: patchbay events tail --json; older ones may have left the log",
            )
    return found


def _words(place: Place) -> str:
    if isinstance(place, EventId):
        return f"event {place.id}"
    if isinstance(place, datetime):
        return f"{place:%Y-%m-%d %H:%M:%S%z}"
    return f"offset {place}" if isinstance(place, int) else f"its {place} entry"

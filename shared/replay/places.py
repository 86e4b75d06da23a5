"""Places in the log as people name them, and the stretch between two of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.bus.port import LogEntry

SKEW = timedelta(minutes=1)
"""Entries carry their publishers' clocks. Behind the last wanted time one may still come that is earlier."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EXPLICIT = "id:"


@dataclass(frozen=True, slots=True)
class EventId:
    """The place of an event: where its id stands first, as a start; last, as an end."""

    id: str


Place = Literal["first", "last"] | int | datetime | EventId


def place_of(text: str, moment: Callable[[str], datetime]) -> Place:
    """What `text` names: `first`, `last`, an offset, an event's id (also "id:…"), else a time.

    `moment` reads a time and raises ValueError. Raises ValueError with what would be right.
    """
    text = text.strip()
    if text in {"first", "last"}:
        return "first" if text == "first" else "last"
    if text.isdecimal():
        return int(text)
    if text.startswith(_EXPLICIT) and len(text) > len(_EXPLICIT):
        return EventId(text.removeprefix(_EXPLICIT))
    if _UUID.match(text):
        return EventId(text)
    try:
        return moment(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no place in the log; give first, last, an offset, a time like "
            "2026-01-31T12:00:00Z, a duration like 10m, or an event's id (id:…)"
        ) from None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries from `first` to `last`, offsets included; of these, those between two times, if given."""

    first: int
    last: int
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, entry: LogEntry) -> bool:
        """Is the entry in it?"""
        return (
            self.first <= entry.offset <= self.last
            and (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time <= self.until)
        )

    def is_behind(self, entry: LogEntry) -> bool:
        """Can nothing of it come from this entry on?"""
        return entry.offset > self.last or (self.until is not None and entry.time > self.until + SKEW)

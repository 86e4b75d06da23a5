"""Places in the log, and spans of time, as people write them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from shared.bus.port import LogStart
from shared.model.addresses import parse_address

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def canonical_address(text: str) -> str:
    """`text` as events carry it. Raises ValueError."""
    return str(parse_address(text))


def start_of(begin: str | None, since: str | None, now: datetime) -> LogStart:
    """Where to begin reading the log: `begin` is first, last, next or an offset; `since` a span, a time or
    an offset.

    Raises ValueError with what would be right.
    """
    if begin is not None and since is not None:
        raise ValueError("give --from or --since, not both")
    if since is not None:
        if since.isdecimal():
            return int(since)
        return point_in_time(since, now)
    if begin is None or begin == "next":
        return "next"
    if begin in {"first", "last"}:
        return "first" if begin == "first" else "last"
    if begin.isdecimal():
        return int(begin)
    raise ValueError(f"{begin!r} is no place in the log; give first, last, next or an offset")


def events_a_second(text: str) -> float:
    """A rate: "50" or "50/s". Raises ValueError."""
    number = text.strip().lower().removesuffix("/s").strip()
    try:
        rate = float(number)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ValueError(f"{text!r} is no rate; write it like 50 or 50/s")
    return rate


def point_in_time(text: str, now: datetime) -> datetime:
    """The time that `text` means: "10m" before now (s, m, h, d; "1h 30m" adds up), or ISO 8601.

    A time without a zone is read as UTC. Raises ValueError.
    """
    compact = text.strip().lower()
    parts = _DURATION.findall(compact)
    if parts and not _DURATION.sub("", compact).strip():
        return now - timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a duration like 10m nor a time like 2026-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

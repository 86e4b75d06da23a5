"""Places in the log, rates and addresses, as people write them. Pure."""

from __future__ import annotations

from datetime import datetime

from services.cli.moments import point_in_time
from shared.bus.port import LogStart
from shared.model.addresses import parse_address


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

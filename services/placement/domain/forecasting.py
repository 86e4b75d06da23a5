"""When a subnet will be full, if it goes on as it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

DAY = timedelta(days=1)


class Sample(NamedTuple):
    """How many of the addresses that may be allocated were not free at a time."""

    at: datetime
    used: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """`days` until full: 0 when it is, None when it does not fill up or the history is too short to tell."""

    capacity: int
    used: int
    per_day: float | None
    """Growth: addresses a day, by least squares; None without enough history."""
    days: float | None
    full_at: datetime | None
    basis: Literal["samples", "holders", "nothing"]
    """What it was made from: samples taken over time, or since when today's holders hold their addresses."""
    samples: int
    because: str


def forecast(
    capacity: int,
    used: int,
    history: Sequence[Sample],
    now: datetime,
    basis: Literal["samples", "holders"] = "samples",
) -> Forecast:
    """Draw a straight line through the history, and see where it meets the capacity."""
    per_day = growth(history)
    free = capacity - used
    if free <= 0:
        return Forecast(capacity, used, per_day, 0.0, now, basis, len(history), "it is full")
    if per_day is None:
        because = "the history is too short: two times at least an hour apart are needed"
        return Forecast(capacity, used, None, None, None, "nothing", len(history), because)
    if per_day <= 0:
        because = f"it does not fill up: {per_day:+.1f} addresses a day"
        return Forecast(capacity, used, per_day, None, None, basis, len(history), because)
    days = free / per_day
    # No calendar goes so far, and no trend.
    full_at = now + timedelta(days=days) if days < 36500 else None
    because = f"{free} of {capacity} are free, {per_day:+.1f} a day by {len(history)} {basis}"
    return Forecast(capacity, used, per_day, days, full_at, basis, len(history), because)


def growth(history: Sequence[Sample]) -> float | None:
    """Addresses a day, by least squares; None for less than an hour of history."""
    if len(history) < 2:
        return None
    first = min(sample.at for sample in history)
    days = [(sample.at - first) / DAY for sample in history]
    if max(days) < 1 / 24:
        return None
    middle, mean = sum(days) / len(days), sum(sample.used for sample in history) / len(history)
    spread = sum((day - middle) ** 2 for day in days)
    drift = sum((day - middle) * (s.used - mean) for day, s in zip(days, history, strict=True))
    return drift / spread

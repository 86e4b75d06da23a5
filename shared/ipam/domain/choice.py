"""Which of the free addresses is next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from shared.ipam.domain.intervals import Interval

Order = Literal["lowest", "highest", "random", "longest_unused"]


def choose(order: Order, intervals: Sequence[Interval], count: int) -> list[int]:
    """Up to `count` addresses of `intervals`, from the low end, or from the high end for "highest".

    `intervals` are the free ones from that end on; "longest_unused" begins with what was never used, from
    the low end. For "random" see `probe`.
    """
    chosen: list[int] = []
    for interval in sorted(intervals, reverse=order == "highest"):
        wanted = min(count - len(chosen), interval.size)
        if order == "highest":
            chosen.extend(range(interval.last, interval.last - wanted, -1))
        else:
            chosen.extend(range(interval.first, interval.first + wanted))
    return chosen


def probe(ranges: Sequence[Interval], draw: float) -> int:
    """The address at the share `draw` (0 <= draw < 1) of all addresses of `ranges`, which are disjoint.

    For "random": the probe itself if it is free, else an address of the next free interval. So a free
    address is found in one step, and a hot spot needs long runs of used addresses before it.
    """
    ordered = sorted(ranges)
    place = _share(sum(interval.size for interval in ordered), draw)
    for interval in ordered:
        if place < interval.size:
            return interval.first + place
        place -= interval.size
    raise ValueError("a probe needs ranges with at least one address")


def at_share(interval: Interval, draw: float) -> int:
    """The address at the share `draw` (0 <= draw < 1) of `interval`."""
    return interval.first + _share(interval.size, draw)


def _share(total: int, draw: float) -> int:
    # In integers: a float's 53 bits would leave the low bits of an IPv6 address always zero. Spreading the
    # draw twice fills them from the part that the first step rounds away.
    fine = int(draw * (1 << 53))
    spread = (fine << 75) | (fine * 0x9E3779B97F4A7C15 & ((1 << 75) - 1))
    return total * spread >> 128

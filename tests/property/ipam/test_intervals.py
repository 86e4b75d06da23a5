"""Interval arithmetic and the choice of addresses against plain sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.ipam.domain import Interval, choose, merge, probe, size, subtract
from shared.ipam.domain.choice import at_share

intervals = st.lists(
    st.builds(
        lambda version, first, length: Interval(version, first, first + length),
        st.sampled_from([4, 6]),
        st.integers(0, 60),
        st.integers(0, 12),
    ),
    max_size=8,
)
draws = st.floats(0, 1, exclude_max=True)


def members(of: list[Interval]) -> set[tuple[int, int]]:
    return {(i.version, number) for i in of for number in range(i.first, i.last + 1)}


def maximal_and_disjoint(of: list[Interval]) -> bool:
    pairs = pairwise(of)
    return all(one.version < other.version or one.last + 1 < other.first for one, other in pairs)


@given(intervals)
def test_merge_keeps_the_addresses_and_nothing_overlaps_or_touches(some: list[Interval]) -> None:
    merged = merge(some)
    assert members(merged) == members(some)
    assert maximal_and_disjoint(merged)
    assert size(merged) == len(members(some))


@given(intervals, intervals)
def test_subtract_is_set_difference(some: list[Interval], removed: list[Interval]) -> None:
    left = subtract(some, removed)
    assert members(left) == members(some) - members(removed)
    assert maximal_and_disjoint(left)


@given(intervals, st.integers(1, 20))
def test_lowest_and_highest_take_from_their_end(some: list[Interval], count: int) -> None:
    fours = merge(i for i in some if i.version == 4)
    ordered = sorted(number for _, number in members(fours))
    assert choose("lowest", fours, count) == ordered[:count]
    assert choose("longest_unused", fours, count) == ordered[:count]
    assert choose("highest", fours, count) == ordered[::-1][:count]


@given(intervals.filter(bool), draws)
def test_a_probe_is_an_address_of_the_ranges(some: list[Interval], draw: float) -> None:
    ranges = merge(i._replace(version=4) for i in some)
    assert (4, probe(ranges, draw)) in members(ranges)


def test_probes_reach_every_address_evenly() -> None:
    ranges = [Interval(4, 10, 12), Interval(4, 20, 20), Interval(4, 30, 33)]
    probes = [probe(ranges, step / 800) for step in range(800)]
    assert {number: probes.count(number) for number in set(probes)} == dict.fromkeys(
        [10, 11, 12, 20, 30, 31, 32, 33], 100
    )


@given(draws, st.sampled_from([64, 72, 96, 120]))
def test_a_share_of_a_large_interval_stays_inside_it(draw: float, bits: int) -> None:
    interval = Interval(6, 1 << 120, (1 << 120) + (1 << bits) - 1)
    assert interval.first <= at_share(interval, draw) <= interval.last


def test_shares_of_a_large_interval_vary_in_their_low_bits() -> None:
    interval = Interval(6, 0, (1 << 64) - 1)
    low = {at_share(interval, step / 1000 + 1 / 3000) & 0xFFF for step in range(999)}
    assert len(low) > 500

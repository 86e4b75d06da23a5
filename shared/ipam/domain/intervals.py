"""Inclusive intervals of addresses, as integers with their family: merge, subtract, what a prefix offers."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from shared.model.addresses import IPAddress, IPNetwork


class Interval(NamedTuple):
    """All addresses from `first` to `last`, both included. `version` is 4 or 6. Sorts by it first."""

    version: int
    first: int
    last: int

    @classmethod
    def between(cls, first: IPAddress, last: IPAddress) -> Interval:
        """The interval of two addresses of one family."""
        return cls(first.version, int(first), int(last))

    @property
    def size(self) -> int:
        """How many addresses."""
        return self.last - self.first + 1

    def address(self, number: int) -> IPAddress:
        """The address whose integer is `number`, in the interval's family."""
        return IPv4Address(number) if self.version == 4 else IPv6Address(number)

    def addresses(self) -> tuple[IPAddress, IPAddress]:
        """Both ends as addresses."""
        return self.address(self.first), self.address(self.last)


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """The same addresses as maximal, disjoint intervals, in order."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and merged[-1].version == interval.version and interval.first <= merged[-1].last + 1:
            merged[-1] = merged[-1]._replace(last=max(merged[-1].last, interval.last))
        else:
            merged.append(interval)
    return merged


def subtract(intervals: Iterable[Interval], removed: Iterable[Interval]) -> list[Interval]:
    """What is left of `intervals` without `removed`, as maximal, disjoint intervals, in order."""
    holes = merge(removed)
    left: list[Interval] = []
    at = 0
    for interval in merge(intervals):
        # A hole that ends before this interval can't touch a later one.
        while at < len(holes) and holes[at] < interval and not _meet(holes[at], interval):
            at += 1
        first, index = interval.first, at
        while index < len(holes) and _meet(holes[index], interval):
            if holes[index].first > first:
                left.append(interval._replace(first=first, last=holes[index].first - 1))
            first = max(first, holes[index].last + 1)
            index += 1
        if first <= interval.last:
            left.append(interval._replace(first=first))
    return left


def contains(intervals: Iterable[Interval], address: IPAddress) -> bool:
    """Whether one of `intervals` holds `address`."""
    return any(i.version == address.version and i.first <= int(address) <= i.last for i in intervals)


def size(intervals: Iterable[Interval]) -> int:
    """How many addresses disjoint `intervals` hold together."""
    return sum(interval.size for interval in intervals)


def default_ranges(prefix: IPNetwork, gateway: IPAddress | None) -> list[Interval]:
    """All of `prefix` that a guest may have: not network, broadcast, subnet-router anycast, nor `gateway`.

    A /31 and a /127 have two usable ends (RFC 3021, RFC 6164), a /32 and a /128 one address.
    """
    first, last = int(prefix.network_address), int(prefix.broadcast_address)
    if last - first > 1:
        first += 1
        if prefix.version == 4:
            last -= 1
    whole = [Interval(prefix.version, first, last)]
    return subtract(whole, [] if gateway is None else [Interval.between(gateway, gateway)])


def _meet(one: Interval, other: Interval) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last

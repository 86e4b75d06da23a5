"""Hosts by how empty they are, so that a search for the best may stop early.

Hosts of the same size and load score the same whatever is asked for, so they share a shelf. A request lowers
every score, by no less than what it takes of the largest host: the emptiness of a shelf less that is a limit
that the score of none of its hosts exceeds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.placement.domain.policy import Policy

ROUNDING = 2e-6
"""Scores are rounded to six digits: no limit may be below one by that alone."""


class Shelf(NamedTuple):
    """A size (memory in MiB, CPU cores) and a load of it. Sorted, the emptiest comes first."""

    negative_emptiness: float
    memory: int
    cores: int
    memory_taken: int
    cpus_taken: int


class Ranking:
    """Numbers of hosts in the order of their emptiness, kept up to date as loads change."""

    def __init__(
        self, sizes: Sequence[tuple[int, int]], loads: Sequence[tuple[int, int]], policy: Policy
    ) -> None:
        """`sizes`: memory in MiB and CPU cores of each host. `loads`: CPUs and memory taken of it."""
        self._policy = policy
        self._sizes = sizes
        self._whole = 1.0 if policy.memory_weight or policy.cpu_weight else 0.0
        self._largest = (max(size[0] for size in sizes), max(size[1] for size in sizes)) if sizes else (1, 1)
        self._where = [self._shelf(number, load) for number, load in enumerate(loads)]
        self._hosts: dict[Shelf, list[int]] = {}
        for number, shelf in enumerate(self._where):
            self._hosts.setdefault(shelf, []).append(number)
        self._shelves = sorted(self._hosts)

    def move(self, number: int, load: tuple[int, int]) -> None:
        """Say what is taken of a host now: CPUs and memory."""
        old, new = self._where[number], self._shelf(number, load)
        here = self._hosts[old]
        here.remove(number)
        if not here:
            del self._hosts[old]
            del self._shelves[bisect_left(self._shelves, old)]
        if new not in self._hosts:
            self._hosts[new] = []
            insort(self._shelves, new)
        insort(self._hosts[new], number)
        self._where[number] = new

    def shelves(self, cpus: int, memory_mb: int) -> Iterator[tuple[float, Sequence[int]]]:
        """A limit of the score that a VM of this size would have, and the hosts it is the limit of.

        The highest limit comes first; the hosts of one shelf have one score and come by their number.
        """
        least = self._share(self._largest, cpus, memory_mb)
        for shelf in self._shelves:
            yield -shelf.negative_emptiness - least + ROUNDING, self._hosts[shelf]

    def _shelf(self, number: int, load: tuple[int, int]) -> Shelf:
        size, (cpus, memory_mb) = self._sizes[number], load
        return Shelf(self._share(size, cpus, memory_mb) - self._whole, *size, memory_mb, cpus)

    def _share(self, size: tuple[int, int], cpus: float, memory_mb: float) -> float:
        """The part of a host that CPUs and memory are: the mean of both by their weights."""
        policy = self._policy
        part = policy.memory_weight * memory_mb / (size[0] * policy.memory_overcommit)
        part += policy.cpu_weight * cpus / (size[1] * policy.cpu_overcommit)
        return part / ((policy.memory_weight + policy.cpu_weight) or 1.0)

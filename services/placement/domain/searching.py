"""Looks for the hosts that fit best, and no further than needed: what is left could not do better."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from services.placement.domain.connecting import Failure
from services.placement.domain.hosts import Fit, Need, consider
from services.placement.domain.policy import Policy
from services.placement.domain.world import World

FEW = 16
"""So many hosts are looked at sooner than the best of them are looked for."""


class Found(NamedTuple):
    """Hosts that fit, the best first, and those that do not, by number."""

    fits: list[Fit]
    failures: list[tuple[int, Failure]]
    left: int = 0
    """Hosts not looked at: none can have a better score than the last of `fits`."""


def look_at(numbers: Iterable[int], need: Need, world: World, policy: Policy) -> Found:
    """What the rules say about each of these hosts."""
    found = Found([], [])
    for number in numbers:
        _look(number, need, world, policy, found)
    found.fits.sort()
    found.failures.sort(key=lambda item: item[0])
    return found


def best_of(numbers: Collection[int], need: Need, world: World, policy: Policy, *, few: int = FEW) -> Found:
    """The best of these hosts, and as many more as an answer names. All of them when they are few.

    All, too, when more is weighed than memory and CPUs: it does not show in how empty a host is.
    """
    where = need.request.where
    if len(numbers) <= few or need.wishes or where.preferred_labels:
        return look_at(numbers, need, world, policy)
    enough = policy.alternatives + 1
    found, seen = Found([], []), 0
    for limit, shelf in world.ranking(policy).shelves(need.request.cpus, need.request.memory_mb):
        if len(found.fits) >= enough and limit < found.fits[enough - 1].score:
            break
        here = 0
        for number in shelf:
            if number not in numbers:
                continue
            seen += 1
            here += _look(number, need, world, policy, found)
            if here >= enough:
                # The others of this shelf have the same score, and come after these.
                break
        if here:
            found.fits.sort()
    found.failures.sort(key=lambda item: item[0])
    return found._replace(left=len(numbers) - seen)


def _look(number: int, need: Need, world: World, policy: Policy, found: Found) -> bool:
    """Note what the rules say about a host; whether it fits."""
    verdict = consider(number, need, world, policy)
    if isinstance(verdict, Fit):
        found.fits.append(verdict)
        return True
    found.failures.append((number, verdict))
    return False

"""The brake: a sweep that would remove more than a set share waits for an operator, or for a second look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shared.events.inventory import KINDS, Kind

Missing = Mapping[Kind, frozenset[str]]
"""Managed object ids by kind."""


class BrakeRule(NamedTuple):
    """More than `percent` of the known objects of a kind, and more than `minimum` of them, is too much."""

    percent: float
    minimum: int

    def too_much(self, missing: int, known: int) -> bool:
        """Whether losing `missing` of `known` objects at once is suspicious."""
        return missing > self.minimum and missing * 100 > known * self.percent


class Sweep(NamedTuple):
    """What to remove now, and what waits. Together they are all that is missing."""

    remove: Missing
    hold: Missing


def decide(
    *, known: Mapping[Kind, int], missing: Missing, confirmed: Missing, rule: BrakeRule, released: bool
) -> Sweep:
    """What of `missing` may be removed.

    `known` counts, by kind, the objects that were known before this snapshot, missing ones included.
    `confirmed` were already missing from an earlier snapshot and held since: two snapshots agree on them. The
    rest has to pass the rule; when one kind fails it, the rest of every kind waits, since what blinds us to
    the VMs seldom leaves the port groups in sight. `released`: an operator looked, all goes.
    """
    fresh: dict[Kind, frozenset[str]] = {
        kind: missing.get(kind, frozenset()) - confirmed.get(kind, frozenset()) for kind in KINDS
    }
    held = not released and any(rule.too_much(len(fresh[kind]), known.get(kind, 0)) for kind in KINDS)
    return Sweep(
        remove={
            kind: missing.get(kind, frozenset()) - (fresh[kind] if held else frozenset()) for kind in KINDS
        },
        hold={kind: fresh[kind] if held else frozenset() for kind in KINDS},
    )

"""Telling loss of sight from news. What is judged lost here never leads to a removal (G4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.collector.domain.brake import BrakeRule
from services.collector.domain.changes import Signs
from shared.events.inventory import KINDS, Kind

Cause = Literal[
    "session_ended", "unreachable", "blind_answer", "rejected_login", "identity_changed", "stopped"
]


class SightLost(Exception):
    """The vCenter can't be seen (truly) any more: log in anew, read all of it anew."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail


def judge_signs(signs: Signs) -> SightLost | None:
    """Whether a page's answers are those of a session that sees nothing."""
    if signs.not_authenticated:
        return SightLost(
            "session_ended", f"{signs.not_authenticated} properties came back as 'not authenticated'"
        )
    if signs.answered and signs.blind == signs.answered:
        return SightLost("blind_answer", f"none of {signs.answered} objects had a readable property")
    if signs.essentials and signs.hollow == signs.essentials:
        return SightLost(
            "blind_answer", f"all of {signs.essentials} lists that are never empty came back empty"
        )
    return None


def judge_leaves(leaves: Mapping[Kind, int], known: Mapping[Kind, int], rule: BrakeRule) -> SightLost | None:
    """Whether so much left within one page that it is sooner a blind view than a fact.

    Not lost for good: the next snapshot shows whether they are gone, and the brake decides.
    """
    for kind in KINDS:
        gone, all_of_them = leaves.get(kind, 0), known.get(kind, 0)
        if rule.too_much(gone, all_of_them):
            return SightLost("blind_answer", f"{gone} of {all_of_them} objects of kind {kind} left at once")
    return None


def judge_snapshot(counts: Mapping[Kind, int], known: Mapping[Kind, int]) -> SightLost | None:
    """Whether a full read saw an empty vCenter where there was a full one."""
    if sum(known.values()) and not sum(counts.values()):
        return SightLost(
            "blind_answer", f"the vCenter came back empty; {sum(known.values())} objects are known"
        )
    return None

"""Objects that left, kept back until the answer they came in is complete.

A view that goes blind empties page by page, each page small enough to believe. So removals wait for the last
page of an answer, and are judged together. Waiting loses nothing: an object is known until its removal was
published, and the next snapshot removes what it lacks (G2).
"""

from __future__ import annotations

from collections.abc import Mapping

from services.collector.domain.brake import BrakeRule
from services.collector.domain.mirror import Mirror, News
from services.collector.domain.sight import SightLost, judge_leaves
from shared.events.inventory import KINDS, Kind


class Departures:
    """Removals that wait, by object."""

    def __init__(self, rule: BrakeRule) -> None:
        self._rule = rule
        self._waiting: dict[tuple[Kind, str], News] = {}

    def sift(self, news: list[News], mirror: Mirror) -> list[News]:
        """Keep the removals among `news` back; return the rest. Raises `SightLost` when too much left."""
        told = []
        for item in news:
            if item.gone:
                self._waiting[item.kind, item.moid] = item
            else:
                self._waiting.pop((item.kind, item.moid), None)
                told.append(item)
        if self._waiting:
            lost = self._judge(mirror.counts())
            if lost is not None:
                raise lost
        return told

    def take(self) -> list[News]:
        """The removals, believed."""
        waiting, self._waiting = self._waiting, {}
        return list(waiting.values())

    def _judge(self, present: Mapping[Kind, int]) -> SightLost | None:
        leaves: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        for kind, _ in self._waiting:
            leaves[kind] += 1
        return judge_leaves(leaves, {kind: present[kind] + leaves[kind] for kind in KINDS}, self._rule)

"""Which of several facts about one object holds, when they come in any order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from shared.model.ordering import BEFORE_ALL, Order

D = TypeVar("D")


class Told(NamedTuple, Generic[D]):
    """A fact about an object: its description, or None for its removal."""

    order: Order
    at: datetime
    description: D | None


class Standing(NamedTuple, Generic[D]):
    """What holds about an object. `order` is of the newest fact, `told` of the newest description.

    A removed object keeps its last description: people ask about what is gone. `description` is None where no
    newer one than the stored was heard.
    """

    order: Order = BEFORE_ALL
    at: datetime | None = None
    told: Order = BEFORE_ALL
    removed: bool = False
    description: D | None = None


def newest(before: Standing[D], facts: Iterable[Told[D]]) -> Standing[D]:
    """`before` with `facts` taken in; the same whatever their order, and however often each comes."""
    now = before
    for fact in facts:
        order, at, removed = now.order, now.at, now.removed
        told, description = now.told, now.description
        if fact.order > order:
            order, at, removed = fact.order, fact.at, fact.description is None
        if fact.description is not None and fact.order > told:
            told, description = fact.order, fact.description
        now = Standing(order, at, told, removed, description)
    return now

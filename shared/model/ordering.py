"""The order of facts: epoch first, then sequence. Only facts of the same vCenter compare."""

from __future__ import annotations

from typing import NamedTuple


class Order(NamedTuple):
    """Place of a fact in all that one vCenter ever said. Tuples compare as facts do.

    `epoch` counts the collector's logins to that vCenter (from 1, never re-used), `sequence` the facts
    within the epoch (from 1). `Order(0, 0)` stands before every fact.
    """

    epoch: int
    sequence: int


BEFORE_ALL = Order(0, 0)

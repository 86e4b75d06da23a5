"""What operators set about placement decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """Ratios are capacity handed out per physical capacity; weights are relative to each other."""

    cpu_overcommit: float = 4.0
    memory_overcommit: float = 1.0
    max_staleness: timedelta = timedelta(seconds=120)
    cpu_weight: float = 1.0
    memory_weight: float = 1.0
    alternatives: int = 5
    """How many hosts that would have done as well are named in an answer, with their scores."""

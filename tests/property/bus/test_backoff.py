"""Pauses before another attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.backoff import FIRST_SECONDS, LONGEST_SECONDS, pause

CHANCE = st.floats(0, 1)


@given(st.integers(1, 10_000), CHANCE)
def test_a_pause_is_bounded(attempt: int, chance: float) -> None:
    assert FIRST_SECONDS / 2 <= pause(attempt, chance) <= LONGEST_SECONDS


@given(st.integers(1, 10_000), CHANCE)
def test_pauses_grow(attempt: int, chance: float) -> None:
    assert pause(attempt, chance) <= pause(attempt + 1, chance)

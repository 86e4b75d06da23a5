"""A difference of clocks in words: none where it rounds to none."""

from __future__ import annotations

import pytest

from services.collector.checking import clock_words


@pytest.mark.parametrize(
    ("skew", "said"),
    [
        (0.0, "agrees with ours"),
        (-0.4, "agrees with ours"),
        (0.49, "agrees with ours"),
        (0.6, "is 1 s ahead of ours"),
        (-7200.2, "is 7200 s behind ours"),
    ],
)
def test_which_clock_is_ahead_is_said_where_one_is(skew: float, said: str) -> None:
    assert clock_words(skew) == f"the vCenter's clock {said}"

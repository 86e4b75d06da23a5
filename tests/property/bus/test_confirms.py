"""The books of confirms against a plain dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.rabbitmq_confirms import Confirms

WINDOWS = st.lists(st.integers(1, 6), min_size=1, max_size=5)
WORDS = st.lists(st.tuples(st.integers(-1, 32), st.booleans(), st.booleans()), max_size=30)


class Sent:
    """A window as its publisher sees it."""

    def __init__(self, first: int, count: int) -> None:
        self.tags = range(first, first + count)
        self.told: list[tuple[int, ...]] = []


@given(WINDOWS, WORDS)
def test_each_window_is_told_once_of_what_was_refused(
    sizes: list[int], words: list[tuple[int, bool, bool]]
) -> None:
    confirms, windows, next_tag = Confirms(), list[Sent](), 1
    for size in sizes:
        sent = Sent(next_tag, size)
        confirms.open(size, sent.told.append)
        windows.append(sent)
        next_tag += size
    answered: dict[int, bool] = {}
    for tag, multiple, refused in words:
        assert confirms.settle(tag, multiple=multiple, refused=refused) == (0 < tag < next_tag)
        if 0 < tag < next_tag:
            for each in range(1 if multiple else tag, tag + 1):
                answered.setdefault(each, refused)
        for window in windows:
            whole = all(each in answered for each in window.tags)
            refusals = tuple(place for place, each in enumerate(window.tags) if answered.get(each))
            assert window.told == ([refusals] if whole else [])


def test_what_was_not_written_is_not_counted() -> None:
    confirms, told = Confirms(), list[tuple[int, ...]]()
    confirms.open(3, told.append)
    unwritten = confirms.open(2, told.append)
    confirms.undo(unwritten)
    assert not confirms.settle(4, multiple=True, refused=False)
    assert confirms.open(1, told.append).first == 4
    assert confirms.settle(4, multiple=True, refused=False)
    assert told == [(), ()]


def test_only_the_last_window_is_undone() -> None:
    confirms = Confirms()
    first = confirms.open(1, lambda _: None)
    confirms.open(1, lambda _: None)
    with pytest.raises(ValueError, match="only the last"):
        confirms.undo(first)

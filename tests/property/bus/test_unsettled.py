"""The books of unsettled deliveries against a plain set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.unsettled import Unsettled

STEPS = st.lists(st.tuples(st.sampled_from(["add", "settle", "upto"]), st.integers(0, 12)), max_size=40)


@given(STEPS)
def test_every_delivery_is_settled_once(steps: list[tuple[str, int]]) -> None:
    books, model, next_tag = Unsettled(), set[int](), 1
    for step, tag in steps:
        if step == "add":
            books.add(next_tag)
            model.add(next_tag)
            next_tag += 1
        elif step == "settle":
            assert books.settle(tag) == (tag in model)
            model.discard(tag)
        else:
            assert books.settle_upto(tag) == sorted(each for each in model if each <= tag)
            model = {each for each in model if each > tag}
        assert len(books) == len(model)
    assert books.clear() == sorted(model)
    assert len(books) == 0


def test_tags_must_grow() -> None:
    books = Unsettled()
    books.add(2)
    with pytest.raises(ValueError, match="tag 2 after 2"):
        books.add(2)

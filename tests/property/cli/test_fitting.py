"""Tables in narrow terminals: whatever a table needs, it fits, and words are broken last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.cli.rendering.fitting import Need, fitting

needs = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40)).map(
        lambda drawn: Need(drawn[0], drawn[0] + drawn[1], drawn[0] + drawn[1] + drawn[2])
    ),
    min_size=1,
    max_size=10,
)


@given(needs, st.integers(40, 200), st.integers(0, 3), st.data())
def test_it_fits_and_words_are_broken_last(
    asked: list[Need], room: int, gap: int, data: st.DataObject
) -> None:
    spare = data.draw(st.lists(st.sampled_from(range(len(asked))), unique=True, max_size=len(asked) - 1))
    widths = fitting(asked, room, spare, gap)

    room -= gap * (len(widths) - 1)
    assert sum(widths.values()) <= room
    assert all(1 <= width <= asked[i].widest_line for i, width in widths.items())
    left_out = [i for i in range(len(asked)) if i not in widths]
    assert left_out == sorted(spare[: len(left_out)]), "the first spare columns go first"
    words = sum(asked[i].longest_word for i in widths)
    if words <= room:
        assert all(width >= asked[i].longest_word for i, width in widths.items())
    else:
        assert len(left_out) == len(spare), "a column is left out before a word is broken"
    if left_out:
        last = spare[len(left_out) - 1]
        assert words + asked[last].longest_word + gap > room, "none is left out that had room"


@given(needs)
def test_with_room_for_all_nothing_is_narrowed(asked: list[Need]) -> None:
    room = sum(need.widest_line for need in asked)
    assert fitting(asked, room, [0]) == {i: need.widest_line for i, need in enumerate(asked)}


def test_headers_are_folded_before_cells() -> None:
    times, lengths = Need(10, 19, 19), Need(6, 6, 13)
    assert fitting([times, lengths], 26) == {0: 19, 1: 7}

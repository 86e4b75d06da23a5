"""How wide the columns of a table become where a terminal is too narrow for all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Need(NamedTuple):
    """What a column asks for, in characters, from the least to the most."""

    longest_word: int
    folded_header: int
    """Wide enough for every cell, with the header on several lines."""
    widest_line: int


def fitting(needs: Sequence[Need], room: int, spare: Sequence[int] = (), gap: int = 0) -> dict[int, int]:
    """The widths of the columns that are shown, by their index; with `gap` between them at most `room`.

    Headers are folded first, then cells, both between words. Where that is not enough, the columns in
    `spare` are left out, the first of them first. Only then words are broken.
    """
    shown = list(range(len(needs)))
    for index in spare:
        if sum(needs[i].longest_word + gap for i in shown) - gap <= room:
            break
        shown.remove(index)
    left = room - gap * (len(shown) - 1)
    widths = {i: needs[i].widest_line for i in shown}
    _narrow(widths, {i: needs[i].folded_header for i in shown}, left)
    _narrow(widths, {i: needs[i].longest_word for i in shown}, left)
    _narrow(widths, dict.fromkeys(shown, 1), left)
    return widths


def _narrow(widths: dict[int, int], least: dict[int, int], room: int) -> None:
    """Take from the widest columns, none below its `least`, until they fit."""
    while sum(widths.values()) > room:
        foldable = [i for i, width in widths.items() if width > least[i]]
        if not foldable:
            return
        widths[max(foldable, key=lambda i: widths[i])] -= 1

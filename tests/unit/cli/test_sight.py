"""How old things are, and what a vCenter out of sight looks like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.allocator.sight import Seen, Sight, sight
from services.cli.rendering.sight import age, lines

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def one(name: str, seconds: float | None, state: str = "connected") -> Sight:
    reached = None if seconds is None else NOW - timedelta(seconds=seconds)
    detail = "certificate: it expired" if state == "lost" else None
    return sight(UUID(int=1), name, state, detail, current_to=reached, now=NOW)


@pytest.mark.parametrize(
    ("seconds", "state", "seen"),
    [
        (3, "connected", "current"),
        (61, "connected", "stale"),
        (3, "lost", "lost"),
        (None, "lost", "lost"),
        (None, "connected", "never"),
        (-5, "connected", "current"),
    ],
)
def test_a_vcenter_is_current_stale_lost_or_never_read(seconds: float | None, state: str, seen: Seen) -> None:
    found = one("a", seconds, state)
    assert (found.seen, found.age_seconds) == (seen, None if seconds is None else max(seconds, 0))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_ages_are_in_a_unit_that_people_count_in(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_what_is_in_sight_takes_one_line_and_each_that_is_not_its_own() -> None:
    said = [
        line.plain
        for line in lines([one("a", 2), one("b", 900, "lost"), one("c", 300), one("d", None), one("e", 7)])
    ]
    assert said[0] == "a as it was 2 s ago, e as it was 7 s ago"
    assert said[1].startswith("b is out of sight: what is shown of it is 15 min old (")
    assert said[1].endswith("; certificate: it expired")
    assert said[2].startswith("c is silent: what is shown of it is 5 min old (")
    assert said[3] == "d was never read to the end: nothing of it is known yet"


def test_many_in_sight_are_summed_up() -> None:
    assert [line.plain for line in lines(one(str(n), n) for n in range(1, 6))] == [
        "5 vCenters as they were 1 s to 5 s ago"
    ]

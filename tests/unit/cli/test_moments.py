"""Points in the past as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.cli.moments import past_moment

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)  # a Friday
BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-11-03 14:00", datetime(2026, 11, 3, 13, 0, tzinfo=UTC)),
        ("2026-11-03T14:00Z", datetime(2026, 11, 3, 14, 0, tzinfo=UTC)),
        ("2026-11-03", datetime(2026, 11, 2, 23, 0, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 18, 23, 0, tzinfo=UTC)),
        ("Yesterday at 14:05", datetime(2026, 11, 19, 13, 5, tzinfo=UTC)),
        ("today 9:00", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("tuesday 14:00", datetime(2026, 11, 17, 13, 0, tzinfo=UTC)),
        ("last friday", datetime(2026, 11, 12, 23, 0, tzinfo=UTC)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d 2h ago", NOW - timedelta(hours=26)),
        ("now", NOW),
    ],
)
def test_what_people_say(text: str, means: datetime) -> None:
    assert past_moment(text, NOW, BERLIN) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tusday", "is no time; write it like"),
        ("yesterday 25:00", "there is no 25:00"),
        ("2026-11-31", "is no time"),
        ("today 23:00", "still to come"),
        ("2027-01-01", "still to come"),
    ],
)
def test_each_mistake_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        past_moment(text, NOW, BERLIN)

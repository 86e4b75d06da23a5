"""Points in time as people type them: one reader for all commands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from time import tzset

import pytest
import typer

from services.cli.commands.address import end_of
from services.cli.commands.replay import _place
from services.cli.moments import calendar_time, past_moment, point_in_time
from services.cli.selecting import start_of

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
        ("2026-11-03T14:00+02:00", datetime(2026, 11, 3, 12, 0, tzinfo=UTC)),
        ("1h 30m", NOW - timedelta(minutes=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d 2h ago", NOW - timedelta(hours=26)),
        ("now", NOW),
    ],
)
def test_what_people_say(text: str, means: datetime) -> None:
    assert past_moment(text, NOW, BERLIN) == means
    assert point_in_time(text, NOW, BERLIN) == means


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine is in Berlin."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        tzset()
        yield
    tzset()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("text", ["2026-11-03 14:00", "2026-11-03T14:00", "2026-11-03T13:00Z"])
def test_a_time_without_a_zone_is_local_for_every_command(text: str) -> None:
    """`events tail --since`, `replay --from`, `audit list`, `who-had --at`, `address reserve --until`."""
    means = datetime(2026, 11, 3, 13, 0, tzinfo=UTC)
    readings = [
        start_of(None, text, NOW),
        _place(text, "--from"),
        point_in_time(text, NOW),
        past_moment(text, NOW),
        end_of(text, NOW),
    ]
    assert readings == [means] * 5


@pytest.mark.usefixtures("in_berlin")
def test_in_summer_a_time_without_a_zone_is_summer_time() -> None:
    assert calendar_time("2026-07-01 14:00") == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_times_to_come_are_for_those_who_can_wait() -> None:
    assert point_in_time("2027-01-01T00:00Z", NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    assert end_of("2h", NOW) == NOW + timedelta(hours=2)
    with pytest.raises(typer.BadParameter, match="no place in the log"):
        _place("5 parsecs", "--from")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tusday", "is no time; write it like"),
        ("yesterday 25:00", "there is no 25:00"),
        ("2026-11-31", "is no time"),
        ("", "is no time"),
        ("10", "is no time"),
        ("5 parsecs", "is no time"),
        ("9999999999d", "longer ago than there are dates"),
        ("today 23:00", "still to come"),
        ("2027-01-01", "still to come"),
    ],
)
def test_each_mistake_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        past_moment(text, NOW, BERLIN)

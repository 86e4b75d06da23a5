"""Time zones as guests are told them."""

from __future__ import annotations

from zoneinfo import available_timezones

import pytest

from shared.model.time_zones import WINDOWS_INDEX, windows_index, zone_name


def test_every_zone_in_the_table_is_one() -> None:
    known = available_timezones()
    if not known:
        pytest.skip("this machine has no time zone data")
    assert set(WINDOWS_INDEX) <= known


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("Etc/UTC", 90),
        ("Europe/London", 85),
        ("Europe/Berlin", 110),
        ("America/New_York", 35),
        ("Asia/Tokyo", 235),
    ],
)
def test_windows_numbers(name: str, index: int) -> None:
    """London has summer time, UTC has none: they are not the same number."""
    assert windows_index(name) == index


def test_what_is_no_zone_is_an_error() -> None:
    assert zone_name("America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"
    for wrong in ("", "Berlin time", "Europe/Berlin\n", "../etc/passwd", "/UTC"):
        with pytest.raises(ValueError, match="Europe/Berlin"):
            zone_name(wrong)
    with pytest.raises(ValueError, match="no number"):
        windows_index("Antarctica/Troll")

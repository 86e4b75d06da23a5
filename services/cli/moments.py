"""Points in time as people type them, read alike by every command. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = re.compile(
    rf"(today|yesterday|(?:last )?(?:{'|'.join(_WEEKDAYS)}))(?:\s+(?:at\s+)?(\d{{1,2}}:\d{{2}}))?"
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def point_in_time(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The time that `text` means: "2026-11-03 14:00", "yesterday 14:00", "tuesday", "now", or so long before
    now: "10m", "2h ago" (s, m, h, d; "1h 30m" adds up).

    Without a zone it is in `zone`, None: the machine's own, as tables show times. A day alone is its
    beginning, a weekday the last one before today. Raises ValueError with what would be right.
    """
    said = " ".join(text.split()).lower().removesuffix(" ago")
    if said == "now":
        return now
    named = _DAY.fullmatch(said)
    if named is not None:
        today = now.astimezone(zone).date()
        return _in_zone(datetime.combine(_day(named[1], today), _clock(named[2], text)), zone)
    found = _ago(said, now) or calendar_time(text, zone)
    if found is None:
        raise ValueError(
            f"{text!r} is no time; write it like '2026-11-03 14:00', 2026-11-03T14:00Z, 'yesterday 14:00', "
            "tuesday, or 10m or 2h for so long ago"
        )
    return found


def past_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The same. Raises ValueError for times to come, too."""
    moment = point_in_time(text, now, zone)
    if moment > now:
        raise ValueError(f"{text!r} is still to come ({moment:%Y-%m-%d %H:%M %Z}); name a time in the past")
    return moment


def calendar_time(text: str, zone: tzinfo | None = None) -> datetime | None:
    """A date and time of ISO 8601, without a zone in `zone` as above. None: `text` is none."""
    try:
        return _in_zone(datetime.fromisoformat(text.strip()), zone)
    except (ValueError, OverflowError):
        return None


def _ago(said: str, now: datetime) -> datetime | None:
    parts = _SPAN.findall(said)
    if not parts or _SPAN.sub("", said).strip():
        return None
    try:
        return now - timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{said!r} is longer ago than there are dates") from None


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _day(name: str, today: date) -> date:
    if name == "today":
        return today
    if name == "yesterday":
        return today - timedelta(days=1)
    back = (today.weekday() - _WEEKDAYS.index(name.removeprefix("last "))) % 7
    return today - timedelta(days=back or 7)


def _clock(text: str | None, whole: str) -> time:
    if text is None:
        return time(0, 0)
    hours, _, minutes = text.partition(":")
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"{whole!r}: there is no {text}; hours go to 23, minutes to 59")
    return time(int(hours), int(minutes))

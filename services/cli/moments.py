"""Points in the past as people say them. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

from services.cli.selecting import point_in_time

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = re.compile(
    rf"(today|yesterday|(?:last )?(?:{'|'.join(_WEEKDAYS)}))(?:\s+(?:at\s+)?(\d{{1,2}}:\d{{2}}))?"
)


def past_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The time that `text` means: "2026-11-03 14:00", "yesterday 14:00", "tuesday", "2h" ago, "now".

    Without a zone it is in `zone`, None: the machine's own, as tables show times. A day alone is its
    beginning, a weekday the last one before today. Raises ValueError, for times to come, too.
    """
    said = " ".join(text.split()).lower().removesuffix(" ago")
    local = now.astimezone(zone)
    if said == "now":
        return now
    named = _DAY.fullmatch(said)
    if named is not None:
        found = datetime.combine(_day(named[1], local.date()), _clock(named[2], text))
        moment = _in_zone(found, zone)
    else:
        try:
            moment = _in_zone(datetime.fromisoformat(text.strip()), zone)
        except ValueError:
            moment = _span(text, said, now)
    if moment > now:
        raise ValueError(f"{text!r} is still to come ({moment:%Y-%m-%d %H:%M %Z}); name a time in the past")
    return moment


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


def _span(text: str, said: str, now: datetime) -> datetime:
    try:
        return point_in_time(said, now)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it like '2026-11-03 14:00', 2026-11-03T14:00Z, 'yesterday 14:00', "
            "tuesday, or 2h for two hours ago"
        ) from None

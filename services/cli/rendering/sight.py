"""How old what a listing shows is: one line below it, and one more for each vCenter that is out of sight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.sight import Sight
from services.cli.rendering.tables import cell

UNITS = ((86400, "days"), (3600, "h"), (60, "min"))
NAMED = 3
"""vCenters that are in sight and named one by one; more are summed up."""


def age(seconds: float) -> str:
    """An age in the largest unit that it has two of: "3 s", "90 s", "14 min", "2 days"."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 2 * size), (1, "s"))
    return f"{int(seconds // size)} {unit}"


def with_sight(shown: RenderableType, sights: Sequence[Sight]) -> RenderableType:
    """What is shown, and below it how old it is."""
    return Group(shown, *([Text(), *lines(sights)] if sights else []))


def lines(sights: Iterable[Sight]) -> list[Text]:
    """First what is in sight, in one line; then, each for itself, what is not."""
    current = [sight for sight in sights if sight.seen == "current"]
    found: list[Text] = []
    if len(current) > NAMED:
        ages = [sight.age_seconds or 0 for sight in current]
        words = f"{len(current)} vCenters as they were {age(min(ages))} to {age(max(ages))} ago"
        found.append(Text(words, style="bright_black"))
    elif current:
        words = ", ".join(f"{sight.name} as it was {age(sight.age_seconds or 0)} ago" for sight in current)
        found.append(Text(words, style="bright_black"))
    return found + [Text(warning(sight), style="bold red") for sight in sights if sight.seen != "current"]


def warning(sight: Sight) -> str:
    """What a vCenter out of sight means for what is shown of it."""
    old = "nothing of it is known yet"
    if sight.current_to is not None:
        old = f"what is shown of it is {age(sight.age_seconds or 0)} old ({cell(sight.current_to)})"
    if sight.seen == "lost":
        return f"{sight.name} is out of sight: {old}; {sight.detail or 'no reason was told'}"
    if sight.seen == "stale":
        return f"{sight.name} is silent: {old}; does its collector run? patchbay status"
    return f"{sight.name} was never read to the end: {old}"

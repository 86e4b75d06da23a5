"""What a file says differently, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.bulk.differences import Difference
from services.cli.bulk.forms import Problem, Value
from services.cli.rendering.tables import add, table

_MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


def render_differences(differences: Sequence[Difference], *, removing: bool) -> RenderableType:
    """A line for each that differs, and how many there are of each sort."""
    grid = table("", "kind", "what", "difference")
    for one in differences:
        if one.what == "unchanged" or (one.what == "removed" and not removing):
            continue
        mark, style = _MARKS[one.what]
        add(grid, Text(mark, style=style), one.entry.kind, Text(one.entry.name, style=style), _fields(one))
    tail = Text(summary(differences, removing=removing), style="bright_black")
    return Group(grid, Text(), tail) if grid.row_count else tail


def summary(differences: Sequence[Difference], *, removing: bool) -> str:
    """How many of each sort."""
    count = Counter(one.what for one in differences)
    removed = f"{count['removed']} removed" if removing else f"{count['removed']} not in the file, kept"
    return f"{count['added']} added, {count['changed']} changed, {removed}, {count['unchanged']} unchanged"


def render_problems(path: str, problems: Sequence[Problem]) -> str:
    """All that is wrong with a file, as editors and people find it."""
    lines = [f"{path}:{problem.line}: {problem.message}" for problem in problems]
    count = f"{len(problems)} problem" + ("s" if len(problems) != 1 else "")
    return "\n".join([f"{count} in {path}; nothing was changed", *lines])


def _fields(one: Difference) -> Text:
    if one.what == "added":
        parts = [
            f"{name} {_value(value)}"
            for name, value in one.entry.values.items()
            if name not in {"name", "scope", "addresses", "address", "vm", "nic"}
        ]
        return Text(", ".join(parts))
    return Text(", ".join(f"{name}: {_value(a)} → {_value(b)}" for name, (a, b) in one.fields.items()))


def _value(value: Value | None) -> str:
    if value is None:
        return "-"
    return " ".join(value) if isinstance(value, tuple) else str(value)

"""What a rebuild found, for people."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.rebuilding.omitted import OMITTED
from services.cli.rebuilding.replacing import Replaced
from services.cli.rebuilding.verifying import Verdict
from services.cli.rendering.tables import add, table

LONGEST = 300
"""Characters of a value; a whole row can be long."""


def verdict_text(verdict: Verdict) -> RenderableType:
    """The comparison's outcome, and what differs."""
    parts: list[RenderableType] = []
    if not verdict.equal:
        grid = table("table", "key", "column", "live", "rebuilt")
        for found in verdict.differences:
            column = found.column or "(whole row)"
            add(grid, found.table, found.key, column, _value(found.live), _value(found.rebuilt))
        parts.append(grid)
        total = sum(verdict.by_table.values())
        if total > len(verdict.differences):
            parts.append(Text(f"… and {total - len(verdict.differences)} more"))
    if verdict.skips:
        grid = table("offset", "type", "not applied, because", right=("offset",))
        for skipped in verdict.skipped[:20]:
            add(grid, skipped.offset, skipped.type, skipped.reason)
        parts.append(grid)
    parts.append(_summary(verdict))
    if verdict.origin.sentence is not None:
        parts.append(Text(verdict.origin.sentence))
    parts += _not_compared(verdict)
    return Group(*parts)


def _not_compared(verdict: Verdict) -> list[RenderableType]:
    """What the beginning, and not the code, leaves nothing to compare of; the rest is in `--json`."""
    reasons: dict[str, list[str]] = {}
    for name, reason in verdict.origin.omitted.items():
        if name not in OMITTED:
            reasons.setdefault(reason, []).append(name)
    return [Text(f"not compared ({reason}): {', '.join(names)}") for reason, names in reasons.items()]


def _summary(verdict: Verdict) -> Text:
    where = "an empty log" if verdict.end is None else f"offset {verdict.end.offset}"
    size = f"{verdict.rows} rows of {verdict.tables} tables at {where}, from {verdict.entries} entries"
    if verdict.equal:
        return Text(f"identical: {size}", style="green")
    by_table = ", ".join(f"{name} {number}" for name, number in sorted(verdict.by_table.items()))
    return Text(f"{sum(verdict.by_table.values())} differences in {size}: {by_table}", style="bold red")


def replaced_text(replaced: Replaced, begun: str | None = None) -> RenderableType:
    """What was exchanged, what it began with, and the way back."""
    made = f"exchanged: {replaced.rows} rows, made from {replaced.entries} entries of the log"
    return Group(
        Text(made, style="green"),
        *([] if begun is None else [Text(begun)]),
        Text("the state before is kept; to go back to it, or to throw it away:"),
        Text(f"  patchbay rebuild --restore {replaced.before}"),
        Text(f"  patchbay rebuild --drop {replaced.before}"),
    )


def _value(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

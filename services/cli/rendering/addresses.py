"""Addresses as tables: of a subnet, and what operators reserved."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.allocator.address_queries import AddressPage, AddressRow, ReservedRow
from services.cli.rendering.bars import short_count, use_bar
from services.cli.rendering.subnet_sentences import span
from services.cli.rendering.tables import add, table
from shared.model.identifiers import DEFAULT_SCOPE_NAME

_STYLES = {
    "free": "green",
    "nic": "bold",
    "sighting": "yellow",
    "reservation": "cyan",
    "reserved": "magenta",
    "bound": "magenta",
    "cooling": "blue",
}
_WORDS = {
    "nic": "in use",
    "sighting": "seen, no record",
    "reservation": "held for a VM",
    "cooling": "cooling down",
}


def render_addresses(page: AddressPage) -> RenderableType:
    """A page of a subnet's addresses, with how full it is above."""
    use = page.use
    head = Text(f"{page.subnet.name} {page.subnet.prefix}  ", style="bold")
    head.append(use_bar(use.used, use.capacity, 20))
    head.append(f"  {use.used} of {short_count(use.capacity)} taken", style="not bold")
    if not page.rows:
        return Group(head, Text(), Text("no such addresses"))
    return Group(head, Text(), _grid([_cells(row) for row in page.rows]))


def _cells(row: AddressRow) -> dict[str, object]:
    word = _WORDS.get(row.state, row.state)
    if row.state == "network" and ":" in row.first:
        word = "router anycast"
    return {
        "address": span(row.first, row.last),
        "count": short_count(row.count),
        "state": Text(word, style=_STYLES.get(row.state, "bright_black")),
        "vm": row.vm,
        "mac": row.mac,
        "since": row.since,
        "until": row.until,
        "note": _note(row),
    }


def _grid(rows: Sequence[dict[str, object]]) -> Table:
    """A table of the columns in which any row has something."""
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    grid = table(*columns, right=("count",))
    for column in grid.columns:
        column.no_wrap = str(column.header) == "mac"
    for row in rows:
        add(grid, *(row[name] for name in columns))
    return grid


def _note(row: AddressRow) -> str | None:
    return f"reservation {str(row.holder)[:8]}" if row.state == "reservation" else row.note


def render_reserved(rows: Sequence[ReservedRow]) -> RenderableType:
    """One line for each range that was reserved, and for each address bound to a MAC."""
    if not rows:
        return Text("nothing is reserved; do so with: patchbay address reserve ADDRESS or FIRST-LAST")
    several = {row.scope for row in rows} != {DEFAULT_SCOPE_NAME}
    return _grid(
        [
            {
                "address": Text(span(row.first, row.last), style="bold"),
                "count": row.count,
                "subnet": row.subnet,
                "scope": row.scope if several else None,
                "mac": row.mac,
                "used by": row.in_use,
                "until": row.until,
                "by": row.by,
                "note": row.note,
            }
            for row in rows
        ]
    )

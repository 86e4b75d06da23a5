"""Addresses as tables: of a subnet, and what operators reserved."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.address_queries import AddressPage, AddressRow, ReservedRow
from services.cli.rendering.bars import short_count, use_bar
from services.cli.rendering.subnet_sentences import span
from services.cli.rendering.tables import add, table

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
    grid = table("address", "count", "state", "vm", "mac", "since", "until", "note", right=("count",))
    for row in page.rows:
        word = Text(_WORDS.get(row.state, row.state), style=_STYLES.get(row.state, "bright_black"))
        add(
            grid,
            *(span(row.first, row.last), short_count(row.count), word, row.vm, row.mac, row.since),
            *(row.until, _note(row)),
        )
    return Group(head, Text(), grid)


def _note(row: AddressRow) -> str | None:
    return f"reservation {str(row.holder)[:8]}" if row.state == "reservation" else row.note


def render_reserved(rows: Sequence[ReservedRow]) -> RenderableType:
    """One line for each range that was reserved, and for each address bound to a MAC."""
    if not rows:
        return Text("nothing is reserved; do so with: patchbay address reserve ADDRESS or FIRST-LAST")
    grid = table(
        *("address", "count", "subnet", "scope", "for", "used by", "by", "since", "until", "note"),
        right=("count",),
    )
    for row in rows:
        whose = Text(row.mac or "nobody", style="cyan" if row.mac else "bright_black")
        add(
            grid,
            *(Text(span(row.first, row.last), style="bold"), row.count, row.subnet, row.scope, whose),
            *(row.in_use, row.by, row.since, row.until, row.note),
        )
    return grid

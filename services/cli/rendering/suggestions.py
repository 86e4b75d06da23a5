"""Proposed subnets, and what became of them, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.suggesting import Suggestion
from services.cli.rendering.tables import add, table


@dataclass(frozen=True, slots=True)
class Made:
    """A suggestion that was to be made: the new subnet's id, or why there is none."""

    suggestion: Suggestion
    subnet: str | None
    error: str | None


def render_suggestions(rows: Sequence[Suggestion], *, evidence: bool) -> RenderableType:
    """One line for each proposed subnet; with `evidence`, one more for each address."""
    if not rows:
        return Text(
            "nothing to suggest: every address that is seen fits into a subnet, or its reason is another"
        )
    grid = table(
        *("name", "prefix", "gateway", "wires", "VMs", "sure", "because"),
        right=("VMs", "sure"),
        spare=("gateway",),
    )
    for row in rows:
        wires = ", ".join(wire.name for wire in row.wires)
        name = Text(row.name, style="bold")
        add(grid, name, row.prefix, row.gateway, wires, row.vms, _sure(row.confidence), row.because)
    if not evidence:
        return grid
    seen = table("suggestion", "vm", "address", "prefix length", "gateway", right=("prefix length",))
    for row in rows:
        for item in row.evidence:
            add(seen, row.name, item.vm_name, item.address, item.prefix, item.gateway)
    return Group(grid, Text(), seen)


def render_made(made: Sequence[Made]) -> RenderableType:
    """One line for each subnet that was made, or not."""
    if not made:
        return Text("nothing to make")
    grid = table("", "subnet", "prefix", "VMs", "", right=("VMs",))
    for item in made:
        mark = Text("✓", style="green") if item.error is None else Text("✗", style="bold red")
        name = Text(item.suggestion.name, style="bold")
        add(grid, mark, name, item.suggestion.prefix, item.suggestion.vms, Text(item.error or "made"))
    return grid


def _sure(confidence: float) -> Text:
    style = "green" if confidence >= 0.7 else "yellow" if confidence >= 0.4 else "red"
    return Text(f"{confidence:.0%}", style=style)

"""Why wires use subnets, what stands in for a wire that is gone, and what decisions on them led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.allocator.domain.evidence import Witness
from services.allocator.explaining_wires import WhyWire
from services.allocator.queries import WireRow
from services.cli.rendering.tables import add, facts, table

ROLE_STYLES = {
    "detected": "yellow",
    "pinned": "cyan",
    "denied": "red",
    "mapped": "magenta",
    "seen": "bright_black",
    "none": "bright_black",
}


def role_text(role: str | None) -> Text:
    """What a wire is to a subnet, in the colour of that role everywhere."""
    return Text(role or "-", style=ROLE_STYLES.get(role or "none", ""))


def render_why_wires(rows: Sequence[WhyWire]) -> RenderableType:
    """One line for each wire, then one for each VM that is evidence."""
    grid = table("wire", "role", "since", "VMs", "strong", "why", right=("VMs", "strong"))
    for row in rows:
        vms = len({w.vm for w in row.evidence})
        name = Text(row.wire_name, style="bold")
        add(grid, name, role_text(row.role), row.since, vms or None, row.strong or None, row.because)
    seen = [witness for row in rows for witness in row.evidence]
    names = [row.wire_name for row in rows for _ in row.evidence]
    return Group(grid, Text(), _evidence(seen, names)) if seen else grid


def render_why_wire(subnet: str, row: WhyWire) -> RenderableType:
    """All that bears on one wire's use of a subnet."""
    head = facts(
        subnet=Text(subnet, style="bold"),
        wire=Text(row.wire_name, style="bold"),
        role=role_text(row.role),
        since=row.since,
        because=row.because,
        evidence=f"weighs {row.weight}; {row.needed} attach a wire" if row.evidence else None,
    )
    if not row.evidence:
        return head
    return Group(head, Text(), _evidence(row.evidence))


def _evidence(seen: Sequence[Witness], wires: Sequence[str] = ()) -> Table:
    """One line for each VM; first the wire it is on, where there are several."""
    columns = ("vm", "address", "prefix length", "gateway", "first seen", "last seen")
    grid = table(*(("wire",) if wires else ()), *columns, spare=("gateway",))
    for number, w in enumerate(seen):
        last = "still" if w.live else w.last_seen
        add(grid, *wires[number : number + 1], w.vm_name, w.address, w.prefix, w.gateway, w.first_seen, last)
    return grid


def render_decisions(result: Mapping[str, Any], subnet: Text) -> RenderableType:
    """What wires are to a subnet now, or would be."""
    grid = table("wire", "was", "is" if not result.get("dry_run") else "would be")
    for wire in result["wires"]:
        add(grid, Text(wire["name"], style="bold"), role_text(wire["before"]), role_text(wire["role"]))
    return Group(Text("subnet ").append_text(subnet), grid, *_consequences(result))


def render_rebound(result: Mapping[str, Any], old: str, new: str) -> RenderableType:
    """The subnets that are used from another wire now, or would be."""
    grid = table("subnet", f"{new} is to it" if not result.get("dry_run") else f"{new} would be to it")
    for use in result["uses"]:
        add(grid, Text(use["subnet_name"], style="bold"), role_text(use["role"]))
    return Group(Text(f"{new} instead of {old}"), grid, *_consequences(result))


def render_mapping(result: Mapping[str, Any], vcenter: str) -> RenderableType:
    """What counts as one network in a vCenter, and the wires that were pinned so that records stay."""
    if result["before"] == result["mapping"]:
        return Text(f"{vcenter}: a {result['mapping']} is a network already; nothing to change")
    would = "would be" if result.get("dry_run") else "is"
    head = Text(f"{vcenter}: a {result['mapping']} {would} a network, was a {result['before']}")
    if not result["pinned"]:
        return Group(head, *_consequences(result))
    grid = table("subnet", f"{'would be ' if result.get('dry_run') else ''}pinned to wire")
    for one in result["pinned"]:
        add(grid, Text(one["subnet_name"], style="bold"), one["wire_name"])
    return Group(head, Text(), grid, *_consequences(result))


def render_offers(rows: Sequence[WireRow]) -> list[RenderableType]:
    """What to do about wires that could stand in for others."""
    told: list[RenderableType] = []
    for row in rows:
        for offer in row.offers:
            subnets = ", ".join(offer.subnets)
            line = Text(f"{row.name} ({row.network}) was made again in place of {offer.network}, which ")
            line.append(f"{subnets} still {'names' if len(offer.subnets) == 1 else 'name'}: ")
            told.append(line.append(f"patchbay wire rebind {offer.wire} {row.id}", style="bold"))
    return told


def _consequences(result: Mapping[str, Any]) -> list[RenderableType]:
    """What a trial would lead to, counted by event type."""
    if not result.get("dry_run"):
        return []
    counts = Counter(event["type"] for event in result["events"])
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no event"
    return [Text(), Text(f"nothing was changed; it would lead to: {told}")]

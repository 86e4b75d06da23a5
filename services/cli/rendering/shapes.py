"""What became, or would become, of a subnet that was split, merged, moved or resized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.rendering.tables import add, table

SHOWN = 50


def render_shape(result: Mapping[str, Any]) -> RenderableType:
    """The subnets as they are then, what is given up, and in a dry run each record that would change."""
    grid = table("subnet", "prefix", "gateway", "ranges", "id")
    for one in (result, *result.get("parts", ())):
        ranges = [f"{r['first']} - {r['last']}" for r in one["ranges"]]
        add(grid, Text(one["name"], style="bold"), one["prefix"], one.get("gateway"), ranges, one["id"])
    parts: list[RenderableType] = [grid]
    if wires := result.get("wires"):
        named = ", ".join(f"{wire['name']} ({wire['role']})" for wire in wires)
        parts += [Text(), Text(f"wires: {named}")]
    if said := [*result.get("left_out", ()), *result.get("given_up", ())]:
        parts += [Text(), *(Text(f"• {line}", style="yellow") for line in said)]
    if result.get("dry_run"):
        parts += [Text(), *_would_be(result)]
    return Group(*parts)


def _would_be(result: Mapping[str, Any]) -> Iterator[RenderableType]:
    events = [event for event in result["events"] if event["type"].startswith("nic.")]
    if events:
        grid = table("vm", "address", "from", "to")
        for event in events[:SHOWN]:
            add(grid, *_change(event))
        yield grid
        if len(events) > SHOWN:
            yield Text(f"… and {len(events) - SHOWN} more; --json has all", style="bright_black")
    lost = sum(event["type"] == "nic.released" for event in events)
    gained = sum(event["type"] == "nic.created" for event in events)
    yield Text(
        f"would change {len(events)} records, {gained} of them new, {lost} lost; nothing was done",
        style="red" if lost else "yellow",
    )


def _change(event: Mapping[str, Any]) -> tuple[object, ...]:
    nic = event["data"]["nic"]
    before = event["data"].get("before")
    addresses = [a["address"] for a in nic["addresses"]]
    now = sorted({a["subnet_name"] for a in nic["addresses"]})
    was = sorted({a["subnet_name"] for a in before["addresses"]}) if before else []
    if event["type"] == "nic.released":
        return nic["vm_name"], addresses, now, Text("no record", style="red")
    if event["type"] == "nic.created":
        return nic["vm_name"], addresses, Text("no record", style="bright_black"), now
    return nic["vm_name"], addresses, was, now

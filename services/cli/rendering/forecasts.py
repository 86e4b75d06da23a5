"""What would be: room, a host's absence, a subnet's end."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.foreseeing import Elsewhere
from services.cli.rendering.tables import add, facts, table
from services.placement.domain.forecasting import Forecast
from services.placement.what_if import Evacuation, Room


def render_room(room: Room) -> RenderableType:
    """How many fit, host by host, and what ends it."""
    head = Text(
        f"{room.count}{' or more' if room.limited else ''} more fit",
        style="green" if room.count else "yellow",
    )
    parts: list[RenderableType] = [head, Text(f"then: {room.stopped_by}")]
    if room.by_host:
        grid = table("host", "more", right=("more",))
        for name, count in room.by_host.items():
            add(grid, name, count)
        parts += [Text(), grid]
    return Group(*parts)


def render_elsewhere(found: Elsewhere) -> RenderableType:
    """The host that would take the VM, and its port groups there."""
    cluster = f" in {found.cluster}" if found.cluster else ""
    grid = table("nic", "port group", "subnets")
    for number, (wire, subnets) in enumerate(found.nics):
        add(grid, number, wire, subnets)
    return Group(Text(f"it would go to {found.host}{cluster}", style="green"), Text(), grid)


def render_evacuation(found: Evacuation) -> RenderableType:
    """Each VM with the host that would take it; those that none would come first."""
    if not found.moves:
        return Text(f"{found.host} has no VMs")
    stranded = len(found.stranded)
    head = (
        Text(f"{stranded} of {len(found.moves)} VMs of {found.host} would have no other host", style="yellow")
        if stranded
        else Text(f"all {len(found.moves)} VMs of {found.host} would find another host", style="green")
    )
    grid = table("vm", "cpus", "MiB", "to", "because", right=("cpus", "MiB"))
    for move in sorted(found.moves, key=lambda move: (move.to is not None, move.vm)):
        add(grid, move.vm, move.cpus, move.memory_mb, move.to, move.because)
    return Group(head, Text(), grid)


def render_forecast(name: str, found: Forecast) -> RenderableType:
    """When a subnet is full, and from what that follows."""
    if found.days is None:
        head = Text(f"{name}: no day in sight on which it is full", style="green")
    elif found.days == 0:
        head = Text(f"{name} is full", style="red")
    else:
        head = Text(
            f"{name} is full in {found.days:.0f} days", style="yellow" if found.days < 30 else "green"
        )
    return Group(
        head,
        facts(
            used=f"{found.used} of {found.capacity}",
            growth=None if found.per_day is None else f"{found.per_day:+.1f} addresses a day",
            full_at=found.full_at,
            because=found.because,
        ),
    )

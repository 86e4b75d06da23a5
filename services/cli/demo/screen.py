"""The demo's screen: a picture drawn to fit the terminal, from 80x24 up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from services.cli.demo.picture import EventLine, Picture, PlacementLine, SubnetLine, WireLine
from services.cli.rendering.bars import milliseconds, short_count, use_bar

Row = TypeVar("Row")

WIDE = 130
"""From this many columns on, wires and events stand beside each other."""
_FIXED_LINES = 9
_STAGE_STYLES = {
    "recorded": "bold green",
    "confirmed": "green",
    "refused": "yellow",
    "expired": "red",
}
_EVENT_STYLES = {"created": "green", "updated": "cyan", "released": "magenta", "attached": "yellow"}


def draw(picture: Picture, width: int, height: int) -> RenderableType:
    """The picture for a terminal of `width` by `height`, never higher than it."""
    wide = width >= WIDE
    room = max(height - _FIXED_LINES, 6)
    subnets, wires, events, placements = _shares(picture, room, wide=wide)
    parts: list[RenderableType] = [_head(picture), _figures(picture)]
    if wide:
        parts.append(
            _beside(
                _section("Subnets", _subnets(picture.subnets, subnets, narrow=False)),
                _section("Wires", _wires(picture.wires, wires)),
            )
        )
    else:
        parts.append(_section("Subnets and their wires", _subnets(picture.subnets, subnets, narrow=True)))
    parts += [
        _section(_events_title(picture), _events(picture.events, events)),
        _section("Placements", _placements(picture.placements, placements)),
        Rule(style="bright_black"),
        _line(Text.assemble(("now  ", "bold cyan"), picture.doing)),
        _line(Text(picture.hint, style="bright_black")),
    ]
    return Group(*parts)


def _shares(picture: Picture, room: int, *, wide: bool) -> tuple[int, int, int, int]:
    """Lines for subnets, wires, events and placements; what the upper ones do not need goes to the events."""
    placements = max(2, min(len(picture.placements), room // 4))
    upper = max(len(picture.subnets), len(picture.wires) if wide else 0)
    subnets = max(2, min(upper, (room - placements) // 2))
    return subnets, subnets, max(1, room - placements - subnets), placements


def _line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _head(picture: Picture) -> Text:
    text = Text.assemble((" Patchbay demo ", "bold white on blue"), "  ")
    vcenter = picture.vcenter
    if vcenter is None:
        return _line(text.append("the vCenter is not connected yet", style="bright_black"))
    connected = vcenter.state == "connected"
    text.append(f"vCenter {vcenter.name} ")
    text.append("● " if connected else "○ ", style="green" if connected else "red")
    text.append(vcenter.state, style="green" if connected else "bold red")
    text.append(f"  epoch {vcenter.epoch}  {vcenter.hosts} hosts  {vcenter.vms} VMs")
    return _line(text.append(f"  lag {milliseconds(vcenter.lag_seconds)}"))


def _figures(picture: Picture) -> Text:
    more = sum(len(subnet.more_wires) for subnet in picture.subnets)
    text = Text.assemble(
        (f" {len(picture.wires)}", "bold"),
        " wires  ",
        (f"{len(picture.subnets)}", "bold"),
        " subnets  ",
        (f"{more}", "bold"),
        " additional wires  " if more != 1 else " additional wire  ",
        (f"{picture.nic_records}", "bold"),
        " NIC records  ",
        (f"{picture.unmatched}", "bold"),
        " unmatched",
    )
    return _line(text)


def _events_title(picture: Picture) -> str:
    if picture.latency_p50 is None:
        return "NIC events"
    p50, p99 = milliseconds(picture.latency_p50), milliseconds(picture.latency_p99)
    return f"NIC events · after a change in the vCenter: p50 {p50}, p99 {p99}"


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Rule(title, align="left", style="blue", characters="─"), body)


def _beside(left: RenderableType, right: RenderableType) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return grid


def _rows(*ratios: int | None) -> Table:
    """A grid whose cells never wrap; columns with a ratio share what the others leave."""
    grid = Table.grid(expand=True, padding=(0, 1))
    for ratio in ratios:
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    return grid


def _subnets(subnets: Sequence[SubnetLine], lines: int, *, narrow: bool) -> RenderableType:
    if not subnets:
        return Text("none yet", style="bright_black")
    grid = _rows(3, None, None, None, 4)
    # What people came to see first: subnets with additional wires, then those most used.
    ordered = sorted(subnets, key=lambda s: (-len(s.more_wires), -s.taken, s.name))
    for subnet in _head_of(ordered, lines):
        wires = Text(subnet.wire)
        for name in subnet.more_wires:
            wires.append(f" +{name}", style="yellow")
        grid.add_row(
            Text(subnet.name, style="bold"),
            subnet.prefix,
            use_bar(subnet.taken, subnet.capacity, 10 if narrow else 16),
            Text(f"{short_count(subnet.taken)}/{short_count(subnet.capacity)}", justify="right"),
            wires,
        )
    return _with_rest(grid, len(subnets), lines, "subnets")


def _wires(wires: Sequence[WireLine], lines: int) -> RenderableType:
    if not wires:
        return Text("none yet", style="bright_black")
    grid = _rows(2, None, None, 3)
    for wire in _head_of(wires, lines):
        known = Text(", ".join(wire.subnets)) if wire.subnets else Text("no subnet", style="bright_black")
        grid.add_row(Text(wire.name, style="bold"), f"VLAN {wire.vlan}", Text(f"{wire.ports} ports"), known)
    return _with_rest(grid, len(wires), lines, "wires")


def _head_of(rows: Sequence[Row], lines: int) -> Sequence[Row]:
    return rows if len(rows) <= lines else rows[: lines - 1]


def _with_rest(grid: Table, count: int, lines: int, what: str) -> RenderableType:
    if count <= lines:
        return grid
    return Group(grid, Text(f"… and {count - lines + 1} more {what}", style="bright_black"))


def _events(events: Sequence[EventLine], lines: int) -> RenderableType:
    if not events:
        return Text("none yet" + "\n" * (lines - 1), style="bright_black")
    grid = _rows(None, None, 1)
    shown = events[-lines:]
    for event in reversed(shown):
        verb = event.type.rpartition(".")[2]
        grid.add_row(
            Text(f"{event.time.astimezone():%H:%M:%S}", style="bright_black"),
            Text(event.type, style=_EVENT_STYLES.get(verb, "")),
            event.text,
        )
    for _ in range(lines - len(shown)):
        grid.add_row("", "", "")
    return grid


def _placements(placements: Sequence[PlacementLine], lines: int) -> RenderableType:
    if not placements:
        return Text("none yet" + "\n" * (lines - 1), style="bright_black")
    grid = _rows(None, None, 1)
    shown = placements[-lines:]
    for placement in reversed(shown):
        detail = placement.reason or "  ".join(filter(None, [placement.host, ", ".join(placement.addresses)]))
        grid.add_row(
            Text(placement.name, style="bold"),
            Text(placement.stage, style=_STAGE_STYLES.get(placement.stage, "cyan")),
            detail,
        )
    for _ in range(lines - len(shown)):
        grid.add_row("", "", "")
    return grid

"""Wires, subnets, VMs and NIC records as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.allocator.queries import SubnetRow, WireRole, WireRow
from services.allocator.vm_queries import NicRow, UnmatchedRow, VmRow
from services.cli.rendering.bars import short_count, use_bar
from services.cli.rendering.sentences import port_name, vlan_text
from services.cli.rendering.tables import add, facts, table
from services.cli.rendering.wires import ROLE_STYLES, render_offers
from shared.events.inventory import Vlan

_VLAN: TypeAdapter[Vlan] = TypeAdapter(Vlan)


def vlan_of(data: Mapping[str, Any]) -> str:
    """The VLAN of a wire's row, for people."""
    return vlan_text(_VLAN.validate_python(data))


def _uses(roles: Sequence[WireRole], *, of_wire: bool) -> Text:
    """The subnets of a wire or the wires of a subnet; the additional ones with how they came to be."""
    text = Text()
    for role in roles:
        if text:
            text.append(", ")
        text.append(role.subnet_name if of_wire else role.wire_name)
        if role.role != "default":
            text.append(f" ({role.role})", style=ROLE_STYLES.get(role.role, ""))
    return text or Text("-", style="bright_black")


def render_wires(rows: Sequence[WireRow]) -> RenderableType:
    """One line for each wire."""
    if not rows:
        return Text("no wires yet: no vCenter was read; add one with: patchbay vcenter add NAME URL --user …")
    grid = table(
        *("wire", "network", "vCenter", "vlan", "switch", "hosts", "ports", "nics", "unmatched", "subnets"),
        right=("hosts", "ports", "nics", "unmatched"),
        spare=("network", "switch", "hosts", "vCenter"),
    )
    for row in rows:
        name = Text(row.name, style="strike bright_black" if row.retired else "bold")
        add(
            grid,
            *(name, row.network, row.vcenter_name, vlan_of(row.vlan), row.switch, row.hosts, row.ports),
            *(row.nics, row.unmatched, _uses(row.subnets, of_wire=True)),
        )
    offers = render_offers(rows)
    return Group(grid, Text(), *offers) if offers else grid


def render_wire(row: WireRow) -> RenderableType:
    """All of one wire."""
    former = [f"{name.name} (until {name.until.astimezone():%Y-%m-%d %H:%M})" for name in row.former_names]
    head = facts(
        wire=Text(row.name, style="bold"),
        called_before=former,
        id=row.id,
        network=f"{row.network} ({row.kind})",
        vCenter=row.vcenter_name,
        datacenter=row.datacenter,
        switch=row.switch,
        vlan=vlan_of(row.vlan),
        hosts=row.hosts,
        ports=f"{row.ports}, {row.nics} with a NIC record, {row.unmatched} unmatched addresses",
        state="retired: the port group is gone" if row.retired else "in use",
    )
    grid = table("subnet", "prefix", "role", "since")
    for role in row.subnets:
        add(grid, role.subnet_name, role.prefix, _role(role), role.since)
    used = grid if row.subnets else Text("no subnet is used from it")
    return Group(head, Text(), used, *render_offers([row]))


def _role(role: WireRole) -> Text:
    return Text(role.role, style=ROLE_STYLES.get(role.role, ""))


def render_subnets(rows: Sequence[SubnetRow]) -> RenderableType:
    """One line for each subnet."""
    if not rows:
        return Text("no subnets yet; make one with: patchbay subnet create NAME PREFIX --wire WIRE")
    grid = table(
        *("subnet", "prefix", "scope", "use", "taken", "of", "gateway", "wires"),
        right=("taken", "of"),
        spare=("scope", "use"),
    )
    for row in rows:
        use = row.use
        add(
            grid,
            *(Text(row.facts.name, style="bold"), row.facts.prefix, row.facts.scope),
            *(use_bar(use.used, use.capacity, 10), short_count(use.used), short_count(use.capacity)),
            *(row.facts.gateway, _uses(row.wires, of_wire=False)),
        )
    return grid


def render_subnet(row: SubnetRow) -> RenderableType:
    """All of one subnet."""
    subnet, use = row.facts, row.use
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(use.by_kind.items()))
    head = facts(
        subnet=Text(subnet.name, style="bold"),
        id=subnet.id,
        scope=subnet.scope,
        prefix=subnet.prefix,
        allocatable=[f"{r.first} - {r.last}" for r in subnet.ranges],
        use=f"{use.used} of {short_count(use.capacity)} allocatable taken" + (f"; {kinds}" if kinds else ""),
        gateway=subnet.gateway,
        dns=subnet.dns,
        domain=subnet.domain,
        ntp=subnet.ntp,
        mtu=subnet.mtu,
        vlan=subnet.vlan,
        routes=[f"{route.to} via {route.via}" for route in subnet.routes],
        handed_out=f"{subnet.allocation_order.replace('_', ' ')} first"
        + ("" if subnet.auto_allocate else "; only to requests that name it"),
        rests=f"{subnet.cooldown_seconds} s after release",
        labels=[f"{key}={value}" for key, value in sorted(subnet.labels.items())],
        revision=subnet.revision,
    )
    grid = table("wire", "role", "since")
    for role in row.wires:
        add(grid, role.wire_name, _role(role), role.since)
    return Group(head, Text(), grid)


def render_vms(rows: Sequence[VmRow]) -> RenderableType:
    """One line for each VM."""
    if not rows:
        return Text("no VMs")
    grid = table(
        *("vm", "moid", "vCenter", "host", "power", "tools", "ports", "addresses", "unmatched"),
        right=("ports", "unmatched"),
        spare=("moid", "vCenter", "host", "ports"),
    )
    for row in rows:
        name = Text(row.name, style="bold").append(" (template)" if row.template else "", style="not bold")
        tools = row.tools.replace("_", " ") if row.tools else None
        add(
            grid,
            *(name, row.moid, row.vcenter_name, row.host, row.power, tools, row.ports, row.addresses),
            row.unmatched or None,
        )
    return grid


def render_nics(rows: Sequence[NicRow]) -> RenderableType:
    """One line for each address of a NIC record."""
    if not rows:
        return Text("no NIC records")
    drifts = any(row.drift for row in rows)
    grid = table(
        *("vm", "nic", "mac", "address", "subnet", "wire", "source", "since"),
        *(("Tools report",) if drifts else ()),
        spare=("since", "source", "wire", "mac"),
    )
    for row in rows:
        add(
            grid,
            *(Text(row.vm_name, style="bold"), port_name(row.label), row.mac, row.address, row.subnet_name),
            *(row.wire_name, row.source, row.since),
            *((Text(", ".join(row.drift), style="yellow"),) if drifts else ()),
        )
    return grid


def render_unmatched(rows: Sequence[UnmatchedRow]) -> Table:
    """One line for each address without a record."""
    grid = table("address", "vm", "wire", "verdict", "why")
    for row in rows:
        verdict = Text(row.verdict.replace("_", " "), style="yellow")
        add(grid, row.address, row.vm_name, row.wire_name, verdict, row.explanation)
    return grid

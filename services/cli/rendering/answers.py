"""Answers to create-VM requests, and the rulings behind them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.rendering.sentences import vlan_text
from services.cli.rendering.tables import add, facts, table
from shared.events.placement import Ruling, VmCreatePlaced, VmCreateRefused


def render_answer(answer: VmCreatePlaced | VmCreateRefused, *, dry: bool) -> RenderableType:
    """The answer with every ruling."""
    if isinstance(answer, VmCreateRefused):
        return Group(
            Text(f"refused: {answer.reason}", style="yellow"),
            Text(),
            render_rulings(answer.rulings),
        )
    verb = "would go" if dry else "goes"
    return Group(
        Text(f"{answer.name} {verb} to {answer.host_name}", style="green"),
        facts(
            request=answer.request_id,
            reservation="none, this was a dry run" if dry else answer.reservation,
            held_until=None if dry else answer.expires_at,
            cluster=answer.cluster_name,
            datacenter=answer.datacenter,
            size=f"{answer.cpus} CPUs, {answer.memory_mb} MiB",
            facts_as_of=answer.facts_as_of,
        ),
        Text(),
        _nics(answer),
        Text(),
        render_rulings(answer.explanation),
    )


def _nics(answer: VmCreatePlaced) -> RenderableType:
    grid = table("nic", "port group", "vlan", "mac", "address", "subnet", "gateway", "dns")
    for nic in answer.nics:
        wire = (nic.index, nic.wire.name, vlan_text(nic.wire.vlan), nic.mac or "by vCenter")
        if not nic.addresses:
            add(grid, *wire, None, None, None, None)
        for place in nic.addresses:
            address = f"{place.address}/{place.prefix}"
            add(grid, *wire, address, place.subnet_name, place.gateway, place.dns)
    return grid


def render_rulings(rulings: Sequence[Ruling]) -> RenderableType:
    """One line for each thing that a rule let through, chose or ruled out."""
    grid = table("", "what", "name", "rule", "because")
    for ruling in rulings:
        mark = Text("✓", style="green") if ruling.passed else Text("✗", style="red")
        add(grid, mark, ruling.kind, ruling.name, ruling.rule, ruling.because)
    return grid

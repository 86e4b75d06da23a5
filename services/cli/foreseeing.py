"""Questions about what would be: nothing is asked of a service, nothing is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.outcome import Misused
from services.cli.placing import Placing, asked, resolved
from services.cli.settings import load
from services.placement import what_if
from services.placement.domain.deciding import Choice
from services.placement.what_if import Room
from shared.events.placement import VmCreateRefused, VmCreateRequested
from shared.runtime.environment import Platform


@dataclass(frozen=True)
class Elsewhere:
    """Where a VM would go; `nics` are (port group, subnets) in their order."""

    host: str
    cluster: str | None
    nics: tuple[tuple[str, tuple[str, ...]], ...]
    findings: tuple[Any, ...]


async def room_for(platform: Platform, wanted: Placing, without: Sequence[str]) -> Room:
    """How many more VMs of this shape fit."""
    request = await _one(platform, wanted)
    return await what_if.how_many_fit(platform.pool, request, load().placement, without=without)


async def place_without(
    platform: Platform, wanted: Placing, hosts: Sequence[str]
) -> Elsewhere | VmCreateRefused:
    """Where the VM would go if `hosts` were in maintenance."""
    request = await _one(platform, wanted)
    found = await what_if.place_without(platform.pool, request, hosts, load().placement)
    return _elsewhere(found) if isinstance(found, Choice) else found


def _elsewhere(choice: Choice) -> Elsewhere:
    return Elsewhere(
        choice.host.name,
        choice.host.cluster_name,
        tuple(
            (option.wire.name, tuple(subnet.name for subnet in option.subnets)) for option in choice.options
        ),
        choice.findings,
    )


async def _one(platform: Platform, wanted: Placing) -> VmCreateRequested:
    request = asked(*await resolved(platform, wanted), wanted)
    if not isinstance(request, VmCreateRequested):
        raise Misused("what would be is told for one shape of VM: leave out --count, or give one VM")
    return request

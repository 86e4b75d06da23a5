"""Which reservation a VM is the answer to, and which of its ports each reserved NIC became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.inventory import VmChanged, VmPort
from shared.events.placement import BoundPort, PlacedNic
from shared.model.identifiers import wire_id

How = Literal["annotation", "extra_config", "mac", "name", "command"]
State = Literal["held", "confirmed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class Expected:
    """A reservation as far as its VM is recognised by it."""

    id: UUID
    request_id: str
    state: State
    vcenter: UUID
    name: str
    name_was_free: bool
    """No VM had the name when the reservation was made: only then does a name say anything."""
    created_at: datetime
    nics: tuple[PlacedNic, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Reserved NICs that became ports, and those that did not."""

    ports: tuple[BoundPort, ...]
    unbound: tuple[PlacedNic, ...]


def recognise(vm: VmChanged, seen_at: datetime, expected: Sequence[Expected]) -> tuple[Expected, How] | None:
    """The reservation this VM answers: by the id it carries, else by a MAC, else by name and port groups.

    Templates answer none. Of what is ambiguous (two reservations share the name, or the VM carries ids or
    MACs of two) nothing is concluded. A name says nothing about reservations that ended.
    """
    here = [item for item in expected if item.vcenter == vm.vcenter and item.state in {"held", "expired"}]
    if vm.template or vm.placeholder or vm.fault_tolerance_secondary:
        return None
    named = _named(vm, here)
    if len(named) == 1:
        return named[0]
    sharing = [item for item in here if _shares_mac(vm, item)]
    # A MAC that was asked for again belongs to the reservation that still waits.
    by_mac = [item for item in sharing if item.state == "held"] or sharing
    if by_mac:
        return (by_mac[0], "mac") if len(by_mac) == 1 else None
    if vm.reservation is not None or vm.extra_config_reservation is not None:
        return None
    by_name = [item for item in here if item.state == "held" and item.name == vm.name]
    if len(by_name) == 1 and _plausible(vm, seen_at, by_name[0]):
        return by_name[0], "name"
    return None


def _named(vm: VmChanged, here: Sequence[Expected]) -> list[tuple[Expected, How]]:
    """The reservations whose ids the VM carries, and where it does: those that wait, else those that ended.

    A clone carries its source's annotation and options until its maker replaces one of them, maybe not both.
    Where neither id is of any use it may still be known by its own MAC.
    """
    found: list[tuple[Expected, How]] = []
    for item in here:
        if item.id == vm.reservation:
            found.append((item, "annotation"))
        elif item.id == vm.extra_config_reservation:
            found.append((item, "extra_config"))
    return [pair for pair in found if pair[0].state == "held"] or found


def _shares_mac(vm: VmChanged, item: Expected) -> bool:
    macs = {nic.mac for nic in item.nics if nic.mac is not None}
    return any(port.mac in macs for port in vm.ports)


def _plausible(vm: VmChanged, seen_at: datetime, item: Expected) -> bool:
    networks = sorted(port.network or "" for port in vm.ports)
    reserved = sorted(nic.wire.network for nic in item.nics)
    return item.name_was_free and seen_at >= item.created_at and networks == reserved


def bind(vm: VmChanged, nics: Sequence[PlacedNic]) -> Binding:
    """Match reserved NICs with a VM's ports: by MAC first, then by port group in the order of device keys."""
    free = sorted(vm.ports, key=lambda port: port.key)
    matched: dict[int, VmPort] = {}
    for nic in nics:
        port = next((port for port in free if nic.mac is not None and port.mac == nic.mac), None)
        if port is not None:
            matched[nic.index] = port
            free.remove(port)
    for nic in nics:
        port = next((port for port in free if port.network == nic.wire.network), None)
        if nic.index not in matched and port is not None:
            matched[nic.index] = port
            free.remove(port)
    return Binding(
        ports=tuple(_bound(vm, nic, matched[nic.index]) for nic in nics if nic.index in matched),
        unbound=tuple(nic for nic in nics if nic.index not in matched),
    )


def _bound(vm: VmChanged, nic: PlacedNic, port: VmPort) -> BoundPort:
    # Connected elsewhere than answered: the address stays with the NIC, the wire is what is true.
    wire = nic.wire.id if port.network is None else wire_id(vm.vcenter, port.network)
    return BoundPort(index=nic.index, device_key=port.key, wire=wire, mac=port.mac, addresses=nic.addresses)

"""Connects the NICs of a request on one host: an option for each, with addresses and ports for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.placement.domain.finding import listed
from services.placement.domain.targets import Option, Target, wanted_address
from services.placement.domain.world import HostFacts, Links, WireFacts, World
from shared.events.placement import NicRequest

STEPS = 20_000
"""How many ways are tried at most where NICs compete for the last addresses and ports of a host's wires."""


class Failure(NamedTuple):
    """The rule that ruled a host out, and why."""

    rule: str
    because: str


class _Search:
    """Depth first by preference: the first way found is the best of the first NIC, then of the second."""

    def __init__(self, choices: Sequence[Sequence[Option]], nics: Sequence[NicRequest], world: World) -> None:
        self._choices = choices
        self._nics = nics
        self._world = world
        self._ports: dict[UUID, int] = {}
        self._addresses: dict[UUID, int] = {}
        self._wanted: set[tuple[UUID, str]] = set()
        self._steps = STEPS
        self.chosen: list[Option] = []

    def run(self, index: int = 0) -> bool:
        if index == len(self._choices):
            return True
        for option in self._choices[index]:
            self._steps -= 1
            if self._steps < 0:
                return False
            if not self._room(option, self._nics[index]):
                continue
            wanted = self._named(option, self._nics[index])
            self._count(option, 1)
            self._wanted |= wanted
            self.chosen.append(option)
            if self.run(index + 1):
                return True
            self.chosen.pop()
            self._wanted -= wanted
            self._count(option, -1)
        return False

    def _named(self, option: Option, nic: NicRequest) -> set[tuple[UUID, str]]:
        """Addresses that the NIC asks for by name: the ledger would give one to a holder twice."""
        found = {(subnet.id, wanted_address(nic, subnet)) for subnet in option.subnets}
        return {(subnet, address) for subnet, address in found if address is not None}

    def _room(self, option: Option, nic: NicRequest) -> bool:
        wire = option.wire
        if self._world.free_ports(wire) <= self._ports.get(wire.id, 0):
            return False
        if self._named(option, nic) & self._wanted:
            return False
        return all(
            wanted_address(nic, subnet) is not None
            or self._world.free_addresses(subnet.id) > self._addresses.get(subnet.id, 0)
            for subnet in option.subnets
        )

    def _count(self, option: Option, by: int) -> None:
        self._ports[option.wire.id] = self._ports.get(option.wire.id, 0) + by
        for subnet in option.subnets:
            self._addresses[subnet.id] = self._addresses.get(subnet.id, 0) + by


def connect(
    host: HostFacts, number: int, nics: Sequence[NicRequest], targets: Sequence[Target], world: World
) -> tuple[Option, ...] | Failure:
    """The best option for each NIC that together can be had on the host, or what stands against it."""
    if len(targets) == 1:
        # Nearly always: nothing else competes.
        nic = nics[0]
        for option in targets[0].by_host.get(number, ()):
            if usable(host, option, nic, world):
                return (option,)
        return _why_not(host, number, targets[0], world)
    choices: list[list[Option]] = []
    for nic, target in zip(nics, targets, strict=True):
        options = [o for o in target.by_host.get(number, ()) if usable(host, o, nic, world)]
        if not options:
            return _why_not(host, number, target, world)
        choices.append(options)
    search = _Search(choices, nics, world)
    if search.run():
        return tuple(search.chosen)
    words = listed(list(dict.fromkeys(target.words for target in targets)))
    return Failure("ports", f"its wires have no addresses and ports for all of {words} at once")


def usable(host: HostFacts, option: Option, nic: NicRequest, world: World) -> bool:
    """Whether a NIC can be connected on a host that has the wire: a live uplink, a port, addresses."""
    wire = option.wire
    if wire.ports is not None and world.free_ports(wire) < 1:
        return False
    if world.full:
        for subnet in option.subnets:
            if subnet.id in world.full and wanted_address(nic, subnet) is None:
                return False
    if host.dead_links:
        links = uplinks(host, wire)
        return links is None or bool(links.alive)
    return True


def _why_not(host: HostFacts, number: int, target: Target, world: World) -> Failure:
    dead: list[str] = []
    full: list[str] = []
    used_up: list[str] = []
    for option in target.by_host.get(number, ()):
        links = uplinks(host, option.wire)
        if links is not None and not links.alive:
            dead.append(f"{option.wire.name} ({_dead(links)})")
        elif world.free_ports(option.wire) < 1:
            full.append(f"{option.wire.name} ({option.wire.ports} ports, all in use)")
        else:
            used_up += [s.name for s in option.subnets if world.free_addresses(s.id) < 1]
    if full:
        return Failure("ports", f"no free port for {target.words}: {listed(list(dict.fromkeys(full)))}")
    if used_up:
        names = listed(sorted(set(used_up)))
        return Failure("addresses", f"no free address for {target.words}: {names} full")
    if dead:
        return Failure("uplink", f"no live uplink for {target.words}: {listed(list(dict.fromkeys(dead)))}")
    return Failure("reach", f"no port group on it carries {target.words}")


def _dead(links: Links) -> str:
    return f"{listed(links.down)} without link" if links.down else "no uplink at all"


def uplinks(host: HostFacts, wire: WireFacts) -> Links | None:
    """Uplinks of the wire's switch on a host; None when the facts do not tell, which rules nothing out."""
    if wire.kind == "standard":
        return host.standard_links.get(wire.name)
    return host.distributed_links.get(wire.switch_uuid) if wire.switch_uuid else None


def reaches(host: HostFacts, wire: WireFacts) -> bool:
    """Whether the host has the port group."""
    return wire.vcenter == host.key.vcenter and host.key.moid in wire.hosts

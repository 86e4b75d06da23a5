"""What a decision looks at: vCenters, hosts with their load, wires and subnets, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.placement.domain.policy import Policy
from services.placement.domain.ranking import Ranking
from shared.events.inventory import ForeignNetwork, Vlan
from shared.events.subnet import Route
from shared.model.addresses import IPNetwork

Role = Literal["default", "mapped", "pinned", "detected", "denied"]
"""What a wire is to a subnet. "mapped": one network with the default wire, as their vCenter is set up."""


class HostKey(NamedTuple):
    """A host: managed object ids are unique only inside a vCenter."""

    vcenter: UUID
    moid: str


class Load(NamedTuple):
    """What VMs and reservations take of a host: configured CPUs and memory in MiB."""

    cpus: int
    memory_mb: int


NO_LOAD = Load(0, 0)
PLENTY = 1_000_000
"""More addresses or ports than one decision could want."""


class Peer(NamedTuple):
    """A VM (by id, managed object id or name) or a group of VMs."""

    kind: Literal["vm", "group"]
    name: str


class Links(NamedTuple):
    """Uplinks of a switch on one host, by device name, with and without link."""

    alive: tuple[str, ...]
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VcenterFacts:
    """A vCenter and how far its facts reach."""

    id: UUID
    name: str
    state: Literal["connected", "lost"]
    detail: str | None
    as_of: datetime | None
    """None: it was never read to the end."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What decides about a host, taken from its newest fact. `cpu_cores` and `memory_mb` are physical."""

    key: HostKey
    name: str
    datacenter: str | None
    datacenter_name: str | None
    cluster: str | None
    cluster_name: str | None
    resource_pool: str | None
    connection: str
    maintenance: bool
    cpu_cores: int | None
    memory_mb: int | None
    standard_links: Mapping[str, Links] = field(default_factory=dict)
    """By name of the standard port group."""
    distributed_links: Mapping[str, Links] = field(default_factory=dict)
    """By UUID of the distributed switch."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """By the policy: the host's own, its cluster's and its vCenter's."""
    order: tuple[int, int] = (0, 0)
    """Of the fact this was taken from."""
    id: str = field(init=False)
    """For rulings: unique over all vCenters."""
    dead_links: bool = field(init=False)
    """Whether any uplinks are known to be down: only then need they be looked at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.key.vcenter}/{self.key.moid}")
        links = (*self.standard_links.values(), *self.distributed_links.values())
        object.__setattr__(self, "dead_links", not all(found.alive for found in links))


@dataclass(frozen=True, slots=True)
class WireFacts:
    """A port group as a NIC may be connected to it."""

    id: UUID
    vcenter: UUID
    network: str
    name: str
    kind: Literal["standard", "distributed", "opaque"]
    vlan: Vlan
    hosts: frozenset[str]
    uplink: bool = False
    retired: bool = False
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    binding: Literal["early", "late", "ephemeral"] | None = None
    ports: int | None = None
    """How many devices may be connected; None: as many as anybody likes."""
    foreign: ForeignNetwork | None = None
    """Of an opaque network: what it is called where it is kept."""
    order: tuple[int, int] = (0, 0)
    """Of the fact this was taken from."""


@dataclass(frozen=True, slots=True)
class SubnetFacts:
    """A subnet and the wires it lives on. How many addresses are free is the world's to know."""

    id: UUID
    scope_id: UUID
    scope: str
    name: str
    prefix: IPNetwork
    roles: Mapping[UUID, Role]
    auto_allocate: bool = True
    vlan: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    revision: int = 1
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    domain: str | None = None
    ntp: tuple[str, ...] = ()
    mtu: int | None = None
    routes: tuple[Route, ...] = ()


class World:
    """All that placement knows at one moment; `take` counts what is about to be placed.

    What describes vCenters, hosts, wires and subnets is never changed. Hosts have numbers, in the order of
    their keys: they are what is compared and looked up a thousand times for each request.
    """

    def __init__(
        self,
        vcenters: Iterable[VcenterFacts],
        hosts: Iterable[HostFacts],
        loads: Mapping[HostKey, Load],
        wires: Iterable[WireFacts],
        subnets: Iterable[SubnetFacts],
        *,
        free: Mapping[UUID, int] | None = None,
        ports_used: Mapping[UUID, int] | None = None,
    ) -> None:
        """`free`: addresses by subnet, plenty where it is not said. `ports_used` by wire, where limited."""
        self.vcenters = {vcenter.id: vcenter for vcenter in vcenters}
        self.hosts = {host.key: host for host in sorted(hosts, key=lambda host: host.key)}
        self.wires = {wire.id: wire for wire in wires}
        self.subnets = sorted(subnets, key=lambda subnet: (subnet.name, str(subnet.id)))
        self.places: dict[Peer, frozenset[HostKey] | None] = {}
        """Where the peers are that requests name; None: no such VM."""
        self.cache: dict[object, Any] = {}
        """What follows from the description alone, kept by whoever works it out."""
        self.listed = list(self.hosts.values())
        self._numbers: dict[UUID, dict[str, int]] = {}
        for number, host in enumerate(self.listed):
            self._numbers.setdefault(host.key.vcenter, {})[host.key.moid] = number
        self.sites = frozenset(self._numbers)
        """vCenters that hosts are known of."""
        # Looked up by every request: thousands of names must not be walked for each.
        self._subnets_by_id = {str(subnet.id): subnet for subnet in self.subnets}
        self._subnets_by_name = {(subnet.scope, subnet.name): subnet for subnet in self.subnets}
        self._subnets_on: dict[UUID, list[SubnetFacts]] = {}
        for subnet in self.subnets:
            for wire in subnet.roles:
                self._subnets_on.setdefault(wire, []).append(subnet)
        self._wires_by_moid = _grouped(self.wires.values(), lambda wire: wire.network)
        self._wires_by_name = _grouped(self.wires.values(), lambda wire: wire.name)
        self._wires_by_id = {str(wire.id): [wire] for wire in self.wires.values()}
        self.root_pools = frozenset(host.resource_pool for host in self.listed if host.resource_pool)
        self.count(loads, free or {}, ports_used or {})

    def count(
        self, loads: Mapping[HostKey, Load], free: Mapping[UUID, int], ports_used: Mapping[UUID, int]
    ) -> None:
        """Start counting anew from what is taken by now."""
        self.loads = [loads.get(host.key, NO_LOAD) for host in self.listed]
        self.free = dict(free)
        self.full = {subnet for subnet, number in self.free.items() if number < 1}
        self.ports_used = dict(ports_used)
        self._rankings: dict[object, Ranking] = {}

    def ranking(self, policy: Policy) -> Ranking:
        """The hosts by how empty they are, as a policy counts it."""
        found = self._rankings.get(policy.scale)
        if found is None:
            capacity = [(host.memory_mb or 1, host.cpu_cores or 1) for host in self.listed]
            found = self._rankings[policy.scale] = Ranking(capacity, self.loads, policy)
        return found

    def number(self, key: HostKey) -> int | None:
        """The number of a host."""
        return self._numbers.get(key.vcenter, {}).get(key.moid)

    def numbers_on(self, wire: WireFacts) -> list[int]:
        """Numbers of the hosts that have a wire."""
        here = self._numbers.get(wire.vcenter, {})
        return [here[moid] for moid in wire.hosts if moid in here]

    def load(self, key: HostKey) -> Load:
        """What is taken of a host."""
        number = self.number(key)
        return NO_LOAD if number is None else self.loads[number]

    def add_load(self, key: HostKey, cpus: int, memory_mb: int) -> None:
        """Count a VM on a host; with negative numbers, one that is gone."""
        number = self.number(key)
        if number is not None:
            load = self.loads[number]
            now = self.loads[number] = Load(load.cpus + cpus, load.memory_mb + memory_mb)
            for ranking in self._rankings.values():
                ranking.move(number, now)

    def add_nic(self, wire: UUID, subnets: Iterable[UUID]) -> None:
        """Count a NIC on a wire, with an address of each of the subnets."""
        if wire in self.ports_used:
            self.ports_used[wire] += 1
        for subnet in subnets:
            if subnet in self.free:
                self.free[subnet] -= 1
                if self.free[subnet] < 1:
                    self.full.add(subnet)

    def free_addresses(self, subnet: UUID) -> int:
        """How many addresses of a subnet can be had."""
        return self.free.get(subnet, PLENTY)

    def free_ports(self, wire: WireFacts) -> int:
        """How many devices can still be connected to a wire."""
        return PLENTY if wire.ports is None else wire.ports - self.ports_used.get(wire.id, 0)

    def find_subnet(self, text: str, scope: str) -> SubnetFacts | None:
        """The subnet of this id, else of this name in `scope`."""
        return self._subnets_by_id.get(text.lower()) or self._subnets_by_name.get((scope, text))

    def subnets_on(self, wires: Iterable[UUID]) -> list[SubnetFacts]:
        """The subnets that any of these wires is something to, by name and id."""
        found = {subnet.id: subnet for wire in wires for subnet in self._subnets_on.get(wire, ())}
        return sorted(found.values(), key=lambda subnet: (subnet.name, str(subnet.id)))

    def find_wires(self, text: str) -> dict[UUID, WireFacts]:
        """Wires of this id, else of this managed object id, else of this name; of any vCenter."""
        found = (
            self._wires_by_id.get(text.lower())
            or self._wires_by_moid.get(text)
            or self._wires_by_name.get(text, [])
        )
        return {wire.id: wire for wire in found}


def _grouped(wires: Iterable[WireFacts], key: Callable[[WireFacts], str]) -> dict[str, list[WireFacts]]:
    groups: dict[str, list[WireFacts]] = {}
    for wire in wires:
        groups.setdefault(key(wire), []).append(wire)
    return groups

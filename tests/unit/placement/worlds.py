"""Small worlds to decide on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Literal
from uuid import UUID, uuid5

from services.placement.domain.world import (
    HostFacts,
    HostKey,
    Links,
    Load,
    Role,
    SubnetFacts,
    VcenterFacts,
    WireFacts,
    World,
)
from shared.events.inventory import Vlan, VlanId
from shared.events.placement import NicRequest, VmCreateRequested
from shared.model.identifiers import scope_id, wire_id

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VCENTER = UUID("00000000-0000-0000-0000-00000000000a")
OTHER_VCENTER = UUID("00000000-0000-0000-0000-00000000000b")
UP = Links(("vmnic0", "vmnic1"), ())
DOWN = Links((), ("vmnic0", "vmnic1"))
SWITCH = "50 2c 7a"


def vcenter(
    identity: UUID = VCENTER,
    *,
    state: Literal["connected", "lost"] = "connected",
    as_of: datetime | None = NOW,
) -> VcenterFacts:
    return VcenterFacts(identity, f"vc-{identity.hex[-1]}", state, None, as_of)


def host(number: int, *, vcenter: UUID = VCENTER, links: Links = UP, **values: Any) -> HostFacts:
    defaults: dict[str, Any] = {
        "key": HostKey(vcenter, f"host-{number}"),
        "name": f"esx-{number}",
        "datacenter": "datacenter-1",
        "datacenter_name": "east",
        "cluster": "domain-c1",
        "cluster_name": "blue",
        "resource_pool": "resgroup-1",
        "connection": "connected",
        "maintenance": False,
        "cpu_cores": 16,
        "memory_mb": 64 * 1024,
        "distributed_links": {SWITCH: links},
    }
    return HostFacts(**(defaults | values))


def wire(
    number: int, hosts: Sequence[int], *, vcenter: UUID = VCENTER, vlan: Vlan | None = None, **values: Any
) -> WireFacts:
    network = f"dvportgroup-{number}"
    defaults: dict[str, Any] = {
        "id": wire_id(vcenter, network),
        "vcenter": vcenter,
        "network": network,
        "name": f"pg-{number}",
        "kind": "distributed",
        "vlan": vlan or VlanId(id=100 + number),
        "hosts": frozenset(f"host-{n}" for n in hosts),
        "switch_uuid": SWITCH,
        "portgroup_key": network,
    }
    return WireFacts(**(defaults | values))


def subnet(number: int, wires: Mapping[UUID, Role] | WireFacts, **values: Any) -> SubnetFacts:
    defaults: dict[str, Any] = {
        "id": uuid5(VCENTER, f"subnet-{number}"),
        "scope_id": scope_id("default"),
        "scope": "default",
        "name": f"net-{number}",
        "prefix": ip_network(f"10.0.{number}.0/24"),
        "roles": {wires.id: "default"} if isinstance(wires, WireFacts) else dict(wires),
        "gateway": f"10.0.{number}.1",
        "dns": ("10.0.0.53",),
        "domain": "example.test",
    }
    return SubnetFacts(**(defaults | values))


def world(
    hosts: Sequence[HostFacts],
    wires: Sequence[WireFacts],
    subnets: Sequence[SubnetFacts],
    *,
    loads: Mapping[HostKey, Load] | None = None,
    vcenters: Sequence[VcenterFacts] = (),
    free: Mapping[UUID, int] | None = None,
    ports_used: Mapping[UUID, int] | None = None,
) -> World:
    return World(
        vcenters or (vcenter(), vcenter(OTHER_VCENTER)),
        hosts,
        loads or {},
        wires,
        subnets,
        free=free,
        ports_used=ports_used,
    )


def request(*nics: NicRequest, **values: Any) -> VmCreateRequested:
    defaults: dict[str, Any] = {
        "request_id": "order-1",
        "name": "web-1",
        "cpus": 2,
        "memory_mb": 4096,
        "nics": nics or (NicRequest(subnet="net-1"),),
    }
    return VmCreateRequested(**(defaults | values))

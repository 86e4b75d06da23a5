"""A world from a seed: the same seed and sizes always give the same inventory, ids and addresses included."""

from __future__ import annotations

import math
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from services.simulator.inventory.entities import Cluster, Datacenter
from services.simulator.inventory.hosts import (
    Host,
    HostAdapter,
    HostPortGroup,
    PhysicalNic,
    SwitchMembership,
    VirtualSwitch,
)
from services.simulator.inventory.networks import Network, PortGroup, Switch
from services.simulator.world.addressing import NaturalSubnet
from services.simulator.world.construction import Construction
from services.simulator.world.population import populate

_PURPOSES = ("web", "app", "db", "build", "cache", "queue", "dmz", "backup", "voice", "desktop")
_VMS_PER_HOST = 25
_HOSTS_PER_CLUSTER = 16
_NICS_PER_PORT_GROUP = 120


class Sizes(NamedTuple):
    """How much there is to be. None lets the number follow from the number of VMs."""

    vms: int
    hosts: int | None = None
    port_groups: int | None = None
    datacenters: int | None = None


class Site(NamedTuple):
    """One generated datacenter with what VMs are placed on."""

    datacenter: Datacenter
    hosts: list[Host]
    groups: list[PortGroup]
    standard: Network
    trunk: PortGroup
    borrower: PortGroup


def furnish(world: Construction, sizes: Sizes) -> None:
    """Fill an empty world."""
    hosts = sizes.hosts or max(2, math.ceil(sizes.vms / _VMS_PER_HOST))
    clusters = math.ceil(hosts / _HOSTS_PER_CLUSTER)
    datacenters = min(clusters, sizes.datacenters or max(1, math.ceil(clusters / _HOSTS_PER_CLUSTER)))
    wanted = sizes.port_groups or max(4 * datacenters, math.ceil(sizes.vms * 1.6 / _NICS_PER_PORT_GROUP))
    sites = []
    for number in range(datacenters):
        site = _site(
            world,
            number,
            hosts=_share(hosts, datacenters, number),
            clusters=_share(clusters, datacenters, number),
            groups=max(3, _share(wanted, datacenters, number)),
        )
        sites.append(site)
    populate(world, sites, sizes.vms)


def _share(total: int, parts: int, number: int) -> int:
    return total // parts + (number < total % parts)


def _site(world: Construction, number: int, *, hosts: int, clusters: int, groups: int) -> Site:
    datacenter = world.make_datacenter(f"dc{number + 1}")
    switch = world.make_switch(datacenter, f"dvs{number + 1}")
    standard = world.make_network(datacenter, "VM Network")
    world.subnets[standard.moid] = _plan(world, len(world.subnets))
    members: list[Host] = []
    for position in range(max(1, clusters)):
        cluster = world.make_cluster(datacenter, f"dc{number + 1}-c{position + 1}")
        for _ in range(_share(hosts, max(1, clusters), position)):
            members.append(_host(world, cluster, switch, standard, len(members) + 1))
    made = [_group(world, switch, index) for index in range(groups)]
    borrower = made.pop()
    world.borrowed[borrower.moid] = made[0].moid
    del world.subnets[borrower.moid]
    trunk = world.make_port_group(switch, "trunk-all", ((100, 299), (1000, 1999)))
    world.subnets[trunk.moid] = _plan(world, len(world.subnets))
    return Site(datacenter, members, made, standard, trunk, borrower)


def _group(world: Construction, switch: Switch, index: int) -> PortGroup:
    purpose = _PURPOSES[index % len(_PURPOSES)]
    vlan = 101 + index if index < 3900 else 0
    group = world.make_port_group(switch, f"{purpose}-{vlan}", vlan)
    world.subnets[group.moid] = _plan(world, len(world.subnets), dual=index % 3 == 0)
    return group


def _plan(world: Construction, index: int, dual: bool = False) -> NaturalSubnet:
    """The index-th subnet; worlds whose seeds differ by less than 14 use different ranges."""
    second = 16 + (world.seed * 16 + index // 256) % 224
    prefix = IPv4Network(f"10.{second}.{index % 256}.0/24")
    prefix6 = IPv6Network(f"2001:db8:{world.seed % 0xFFFF:x}:{index:x}::/64") if dual else None
    return NaturalSubnet(prefix, prefix6)


def _host(world: Construction, cluster: Cluster, switch: Switch, standard: Network, number: int) -> Host:
    name = f"esx-{number:04d}.{cluster.datacenter.name}.example"
    host = Host(world.new_id("host"), name, cluster, world.new_uuid())
    base = world.random.getrandbits(16)
    for index in range(4):
        mac = f"ac:1f:6b:{base >> 8:02x}:{base & 255:02x}:{index:02x}"
        host.pnics.append(PhysicalNic(f"vmnic{index}", f"0000:{0x3B + index // 2:02x}:00.{index % 2}", mac))
    host.vswitches.append(VirtualSwitch("vSwitch0", ["vmnic0", "vmnic1"], standby=["vmnic1"]))
    labels = ("Management Network", "VM Network")
    host.port_groups = [HostPortGroup(label, "vSwitch0", 0) for label in labels]
    second, third = divmod(number, 250)
    host.adapters.append(
        HostAdapter(
            "vmk0",
            host.pnics[0].mac,
            f"10.{8 + world.seed % 8}.{second}.{third + 1}",
            "255.255.0.0",
            port_group="Management Network",
            roles=("management", "vmotion"),
        )
    )
    host.memberships.append(SwitchMembership(switch, {"Uplink 1": "vmnic2", "Uplink 2": "vmnic3"}))
    cluster.hosts[host.moid] = host
    switch.hosts[host.moid] = host
    host.datastores.extend(cluster.datastores)
    for network in (standard, *switch.port_groups.values()):
        network.hosts[host.moid] = host
        host.networks[network.moid] = network
    world.add(host)
    return host

"""Worlds from seeds."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from services.simulator.inventory.networks import PortGroup
from services.simulator.soap.faults import Fault
from services.simulator.world.addressing import NaturalSubnet, link_local, parse_addresses
from services.simulator.world.generation import Sizes
from services.simulator.world.world import World, generate


def test_the_same_seed_gives_the_same_world() -> None:
    first, second = generate(7, 120), generate(7, 120)
    assert first.instance_uuid == second.instance_uuid
    assert first.vm_listing() == second.vm_listing()
    assert first.natural_subnets() == second.natural_subnets()


def test_another_seed_gives_another_vcenter_with_overlapping_ids() -> None:
    first, second = generate(7, 60), generate(8, 60)
    assert first.instance_uuid != second.instance_uuid
    assert set(first.machines) == set(second.machines)
    assert {p.prefix for p in first.natural_subnets()}.isdisjoint(p.prefix for p in second.natural_subnets())


@pytest.mark.parametrize(("vms", "hosts"), [(0, 2), (10, 2), (60, 3), (1000, 40)])
def test_sizes(vms: int, hosts: int) -> None:
    world = generate(1, vms)
    assert len(world.machines) == vms
    assert sum(1 for _ in world.of_kind("HostSystem")) == hosts


def test_sizes_can_be_chosen() -> None:
    world = generate(1, 100, sizes=Sizes(100, hosts=7, port_groups=30, datacenters=1))
    groups = [g for g in world.of_kind("DistributedVirtualPortgroup") if isinstance(g, PortGroup)]
    assert sum(isinstance(g.vlan, int) for g in groups) == 30
    assert sum(1 for _ in world.of_kind("HostSystem")) == 7


def test_no_two_guests_share_an_address_and_no_two_cards_a_mac() -> None:
    world = generate(3, 800)
    addresses = [
        address.address
        for vm in world.machines.values()
        for nic in vm.guest.nics
        if nic.device_key >= 0
        for address in nic.addresses
        if not address.address.startswith(("fe80", "192.168"))
    ]
    assert len(addresses) == len(set(addresses))
    macs = [nic.mac for vm in world.machines.values() for nic in vm.nics]
    assert len(macs) == len(set(macs))
    assert all(mac.startswith("00:50:56:83:") for mac in macs)


def test_the_inventory_has_what_makes_life_hard() -> None:
    """Each peculiarity is there even in a small world."""
    world = generate(1, 40)
    vms = list(world.machines.values())
    natural = [ip_network(p.prefix) for p in world.natural_subnets()]
    assert any(vm.template for vm in vms)
    assert any(vm.power == "poweredOff" and not vm.template for vm in vms)
    assert any(vm.power == "poweredOn" and not vm.guest.tools_running for vm in vms)
    assert any(nic.device_key < 0 for vm in vms for nic in vm.guest.nics)
    assert any(a.origin == "random" for vm in vms for nic in vm.guest.nics for a in nic.addresses)
    assert any(vm.guest.weak_address for vm in vms)
    outside = [
        a.address
        for vm in vms
        for nic in vm.guest.nics
        if nic.device_key >= 0
        for a in nic.addresses
        if not any(ip_address(a.address) in subnet for subnet in natural) and not a.address.startswith("fe80")
    ]
    assert outside
    ((borrower, lender),) = world.borrowed.items()
    users = [vm for vm in vms if any(nic.network.moid == borrower for nic in vm.nics)]
    assert users
    assert lender in {p.port_group for p in world.natural_subnets()}
    assert borrower not in {p.port_group for p in world.natural_subnets()}


def test_nothing_is_recorded_while_generating() -> None:
    world = generate(1, 20)
    assert world.floor == world.version
    assert all(not entity.changes for entity in world.objects.values())
    world.annotate(next(iter(world.machines)), "x")
    assert len(world.changed_since(world.floor)) == world.version - world.floor


def test_a_subnet_hands_out_each_address_once_and_takes_it_back() -> None:
    subnet = NaturalSubnet(ip_network("10.0.0.0/28"))  # type: ignore[arg-type]  # a literal IPv4 prefix
    taken = [subnet.take() for _ in range(6)]
    assert [a.address if a else None for a in taken] == [*(f"10.0.0.{n}" for n in range(10, 15)), None]
    subnet.give_back("10.0.0.12")
    subnet.give_back("10.0.0.12")
    subnet.give_back("10.9.9.9")
    again = subnet.take()
    assert again is not None
    assert again.address == "10.0.0.12"
    assert subnet.take() is None


def test_address_forms() -> None:
    parsed = parse_addresses(["10.0.0.5/24", "10.0.0.6", ("2001:DB8::1", 64, "random", "deprecated")])
    assert [(a.address, a.prefix, a.origin, a.state) for a in parsed] == [
        ("10.0.0.5", 24, "manual", "preferred"),
        ("10.0.0.6", 24, "manual", "preferred"),
        ("2001:db8::1", 64, "random", "deprecated"),
    ]
    assert link_local("00:50:56:80:00:01").address == "fe80::250:56ff:fe80:1"
    with pytest.raises(Fault, match="not appear to be"):
        parse_addresses(["10.0.0.300/24"])


def test_an_empty_world_can_be_filled() -> None:
    world = World(1)
    datacenter = world.make_datacenter("dc")
    cluster = world.make_cluster(datacenter, "c")
    assert world.datacenter_of(cluster) is datacenter
    assert world.natural_subnets() == []

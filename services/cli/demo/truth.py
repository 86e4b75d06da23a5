"""What the simulated vCenter really holds, in the words that the platform's findings are compared in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from services.simulator.inventory.machines import GuestAddress, GuestNic, VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup
from services.simulator.world.addressing import SubnetPlan
from services.simulator.world.world import World


class Claim(NamedTuple):
    """A guest's stable address: the VM's managed object id, and the address."""

    vm: str
    address: str


def wires(world: World) -> set[str]:
    """Managed object ids of the port groups that VMs can be on."""
    networks = (entity for entity in world.objects.values() if isinstance(entity, Network))
    return {n.moid for n in networks if not (isinstance(n, PortGroup) and n.uplink)}


def claims(world: World, subnets: Iterable[SubnetPlan]) -> set[Claim]:
    """What Tools report inside one of `subnets`, on a port of that subnet's own port group."""
    by_network: dict[str, list[SubnetPlan]] = {}
    for subnet in subnets:
        by_network.setdefault(subnet.port_group, []).append(subnet)
    return {
        Claim(vm.moid, address.address)
        for vm, nic, address in _reported(world)
        if (card := vm.nic(nic.device_key)) is not None
        and any(_inside(address, subnet) for subnet in by_network.get(card.network.moid, ()))
    }


def borrowed(world: World) -> dict[str, set[Claim]]:
    """Per port group without a subnet of its own, what its guests claim of others' subnets."""
    found: dict[str, set[Claim]] = {moid: set() for moid in world.borrowed}
    for vm, nic, address in _reported(world):
        card = vm.nic(nic.device_key)
        if card is not None and card.network.moid in found:
            found[card.network.moid].add(Claim(vm.moid, address.address))
    return found


def _reported(world: World) -> Iterator[tuple[VirtualMachine, GuestNic, GuestAddress]]:
    for vm in world.machines.values():
        if not vm.guest.tools_running or vm.template:
            continue
        for nic in vm.guest.nics:
            for address in nic.addresses:
                if address.origin != "random" and not ip_address(address.address).is_link_local:
                    yield vm, nic, address


def _inside(address: GuestAddress, subnet: SubnetPlan) -> bool:
    return ip_address(address.address) in ip_network(subnet.prefix)

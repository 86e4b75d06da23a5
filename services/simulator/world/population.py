"""The VMs of a generated world, with everything a real inventory has that makes life hard."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from services.simulator.inventory.machines import GuestAddress, GuestNic, Nic, VirtualMachine
from services.simulator.inventory.networks import Network
from services.simulator.world.addressing import eui64, link_local
from services.simulator.world.construction import Construction

if TYPE_CHECKING:
    from services.simulator.world.generation import Site

_GUESTS = ("ubuntu64Guest", "rhel9_64Guest", "windows2019srvNext_64Guest", "otherGuest64")
_CARDS = ("VirtualVmxnet3",) * 46 + ("VirtualE1000e",) * 3 + ("VirtualE1000",)
_ROLES = {
    3: "borrower", 23: "borrower",
    5: "docker", 25: "docker", 35: "docker",
    8: "silent", 28: "silent",
    11: "off", 21: "off", 31: "off",
    14: "template",
    17: "outside",
    22: "weak",
    29: "trunk",
}  # fmt: skip
"""What is special about a VM, by its position within each forty: small worlds have some of each, too."""


def populate(world: Construction, sites: Sequence[Site], count: int) -> None:
    """Make `count` VMs, spread over all hosts."""
    for number in range(count):
        site = sites[number % len(sites)]
        _machine(world, site, number)


def _machine(world: Construction, site: Site, number: int) -> None:
    role = _ROLES.get(number % 40, "")
    random = world.random
    host = site.hosts[(number // 7) % len(site.hosts)]
    first = _first_network(world, site, role)
    purpose = first.name.partition("-")[0].lower().replace(" ", "")
    vm = world.make_machine(
        f"{purpose}-{number + 1:05d}", folder=site.datacenter.vm_folder, host=host, pool=host.cluster.pool
    )
    vm.num_cpu = random.choice((1, 2, 2, 4, 8))
    vm.memory_mb = random.choice((2048, 4096, 4096, 8192, 16384))
    vm.guest_id = random.choice(_GUESTS)
    networks = [first]
    draw = random.random()
    networks += [random.choice(site.groups) for _ in range((draw > 0.6) + (draw > 0.9))]
    for network in networks:
        world.plug(vm, Nic(vm.free_nic_key(), random.choice(_CARDS), world.new_mac(), network))
    vm.guest.host_name = vm.name
    vm.guest.domain = f"{site.datacenter.name}.example"
    _configure(world, vm)
    _apply_role(world, vm, role)
    world.introduce(vm)


def _first_network(world: Construction, site: Site, role: str) -> Network:
    if role == "borrower":
        return site.borrower
    if role == "trunk":
        return site.trunk
    if world.random.random() < 0.1:
        return site.standard
    return world.random.choice(site.groups)


def _configure(world: Construction, vm: VirtualMachine) -> None:
    vm.power = "poweredOn"
    vm.guest.tools_running = True
    for card in vm.nics:
        subnet = world.subnet_of(card.network)
        address = subnet.take() if subnet else None
        if subnet is None or address is None:
            continue
        nic = GuestNic(card.key, card.mac, [address])
        if card is vm.nics[0]:
            nic.gateway = subnet.gateway
            nic.dns = ("192.0.2.53", "192.0.2.54")
        derived = subnet.derived6(card.mac)
        if derived is not None:
            nic.addresses += [derived, *_temporary(world, derived, card.mac), link_local(card.mac)]
        vm.guest.nics.append(nic)


def _temporary(world: Construction, derived: GuestAddress, mac: str) -> list[GuestAddress]:
    """Privacy addresses (RFC 8981) beside the derived one: today's, and yesterday's which is running out."""
    if world.random.random() < 0.5:
        return []
    network = int(ip_address(derived.address)) - eui64(mac)
    made = [str(ip_address(network + world.random.getrandbits(63))) for _ in range(2)]
    return [
        GuestAddress(made[0], 64, "random", "preferred"),
        GuestAddress(made[1], 64, "random", "deprecated"),
    ]


def _apply_role(world: Construction, vm: VirtualMachine, role: str) -> None:
    random = world.random
    if role == "docker":
        for bridge in range(random.randint(1, 5)):
            mac = "02:42:" + ":".join(f"{random.getrandbits(8):02x}" for _ in range(4))
            vm.guest.nics.append(GuestNic(-1, mac, [GuestAddress(f"172.{17 + bridge}.0.1", 16)]))
    elif role == "silent":
        vm.guest.tools_running = False
    elif role in {"off", "template"}:
        vm.power = "poweredOff"
        vm.guest.tools_running = False
        if role == "template":
            vm.template = True
            vm.pool = None
            world.free_addresses(vm)
            vm.guest.nics = []
            vm.guest.dhcp = True
    elif role == "outside":
        world.free_addresses(vm)
        address = f"192.168.{random.randint(0, 255)}.{random.randint(2, 250)}"
        vm.guest.nics = [GuestNic(vm.nics[0].key, vm.nics[0].mac, [GuestAddress(address, 24)])]
    elif role == "weak":
        vm.guest_id = "freebsd14_64Guest"
        vm.guest.weak_address = vm.guest.primary_address()
        vm.guest.nics = []

"""Making and removing objects so that every link between them is right on both ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.simulator.inventory.entities import Cluster, Datacenter, Entity, Folder, ResourcePool
from services.simulator.inventory.hosts import Datastore, Host
from services.simulator.inventory.machines import Nic, VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup, Switch, Trunk
from services.simulator.soap.faults import invalid_argument
from services.simulator.world.addressing import NaturalSubnet, SubnetPlan
from services.simulator.world.ledger import Ledger

_PORT_BLOCK = 4096


class Construction(Ledger):
    """A ledger that knows how the objects hang together. `seed` decides every id that is drawn."""

    def __init__(self, seed: int, log_limit: int = 300_000) -> None:
        super().__init__(log_limit)
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311  reproducible by intent
        self.instance_uuid = self.new_uuid()
        self.time_skew = timedelta()
        self.subnets: dict[str, NaturalSubnet] = {}
        self.borrowed: dict[str, str] = {}
        """Port groups whose guests use another's subnet: id of the borrower to id of the lender."""
        self.machines: dict[str, VirtualMachine] = {}
        self._next_mac = 0
        self.root = Folder(self.new_id("group-d"), "Datacenters", None, ("Folder", "Datacenter"))
        self.add(self.root)

    def now(self) -> datetime:
        """The vCenter's clock, wrong by `time_skew`."""
        return datetime.now(UTC) + self.time_skew

    def new_uuid(self) -> str:
        """A random UUID that the seed decides."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def new_mac(self) -> str:
        """A MAC address as this vCenter generates them: 00:50:56:80 and up, by its instance id."""
        number = ((0x80 + self.seed % 64) << 16) + self._next_mac
        self._next_mac += 1
        number = 0x800000 + (number - 0x800000) % 0x400000
        return "00:50:56:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big"))

    def settle(self, folder: Folder, entity: Entity) -> None:
        """Put a new object into its folder and make it known."""
        folder.child_entities[entity.moid] = entity
        self.add(entity)
        self._children_changed(folder, entity)

    def unsettle(self, entity: Entity) -> None:
        """Take an object out of its folder."""
        folder = entity.parent
        if isinstance(folder, Folder) and folder.child_entities.pop(entity.moid, None) is not None:
            self._children_changed(folder, entity)

    def _children_changed(self, folder: Folder, child: Entity) -> None:
        self.touch(folder, "childEntity")
        if isinstance(folder.parent, Datacenter) and isinstance(child, Network):
            self.touch(folder.parent, "network")
        elif isinstance(folder.parent, Datacenter) and isinstance(child, Datastore):
            self.touch(folder.parent, "datastore")

    def make_datacenter(self, name: str) -> Datacenter:
        """A datacenter with its four folders."""
        datacenter = Datacenter(self.new_id("datacenter"), name, self.root)
        vm = Folder(self.new_id("group-v"), "vm", datacenter, ("Folder", "VirtualMachine", "VirtualApp"))
        host = Folder(self.new_id("group-h"), "host", datacenter, ("Folder", "ComputeResource"))
        store = Folder(self.new_id("group-s"), "datastore", datacenter, ("Folder", "Datastore"))
        kinds = ("Folder", "Network", "DistributedVirtualSwitch")
        network = Folder(self.new_id("group-n"), "network", datacenter, kinds)
        datacenter.vm_folder, datacenter.host_folder = vm, host
        datacenter.datastore_folder, datacenter.network_folder = store, network
        self.settle(self.root, datacenter)
        for folder in datacenter.children():
            self.add(folder)
        return datacenter

    def make_cluster(self, datacenter: Datacenter, name: str) -> Cluster:
        """A cluster with its root resource pool and one datastore."""
        cluster = Cluster(self.new_id("domain-c"), name, datacenter.host_folder, datacenter)
        cluster.pool = ResourcePool(self.new_id("resgroup"), "Resources", cluster, cluster)
        store_name = f"{name}-store"
        store = Datastore(self.new_id("datastore"), store_name, datacenter.datastore_folder, 40 * 2**40)
        cluster.datastores.append(store)
        self.settle(datacenter.host_folder, cluster)
        self.add(cluster.pool)
        self.settle(datacenter.datastore_folder, store)
        return cluster

    def make_switch(self, datacenter: Datacenter, name: str) -> Switch:
        """A distributed switch with its uplink port group."""
        switch = Switch(self.new_id("dvs"), name, datacenter.network_folder, self._switch_uuid())
        self.settle(datacenter.network_folder, switch)
        self.make_port_group(switch, f"{name}-DVUplinks-{switch.moid}", ((0, 4094),), uplink=True)
        return switch

    def _switch_uuid(self) -> str:
        raw = self.random.getrandbits(128).to_bytes(16, "big").hex(" ")
        return f"{raw[:23]}-{raw[24:]}"

    def make_port_group(
        self, switch: Switch, name: str, vlan: int | Trunk, *, uplink: bool = False
    ) -> PortGroup:
        """A port group on a distributed switch, seen by all its hosts."""
        group = PortGroup(self.new_id("dvportgroup"), name, switch, vlan, uplink=uplink)
        group.first_port = switch.next_port
        switch.next_port += _PORT_BLOCK
        switch.port_groups[group.moid] = group
        group.hosts.update(switch.hosts)
        folder = group.parent
        assert isinstance(folder, Folder)  # noqa: S101  switches live in folders
        self.settle(folder, group)
        for host in switch.hosts.values():
            host.networks[group.moid] = group
            self.networks_changed(host)
        self.groups_changed(switch, group)
        return group

    def groups_changed(self, switch: Switch, group: PortGroup) -> None:
        """A switch got or lost a port group."""
        uplinks = ["config.uplinkPortgroup"] if group.uplink else []
        shown = ("portgroup", "summary.portgroupName", "config.numPorts", "summary.numPorts")
        self.touch(switch, *shown, *uplinks)

    def networks_changed(self, host: Host) -> None:
        """A host sees another set of networks, and so does its cluster."""
        self.touch(host, "network")
        self.touch(host.cluster, "network")

    def take_port(self, network: Network) -> str:
        """A port key for a card; empty on standard networks. Early binding grows as it needs to."""
        if not isinstance(network, PortGroup):
            return ""
        before = network.num_ports
        key = network.take_port()
        if network.num_ports != before:
            self.touch(network, "config.numPorts", "portKeys")
            self.touch(network.switch, "config.numPorts", "summary.numPorts")
        return key

    def make_network(self, datacenter: Datacenter, name: str) -> Network:
        """A standard network that no host has yet."""
        network = Network(self.new_id("network"), name, datacenter.network_folder)
        self.settle(datacenter.network_folder, network)
        return network

    def make_machine(
        self, name: str, *, folder: Folder, host: Host, pool: ResourcePool, instance_uuid: str | None = None
    ) -> VirtualMachine:
        """A VM without network cards, not yet known: call `introduce` once it is furnished."""
        return VirtualMachine(
            self.new_id("vm"),
            name,
            folder,
            host=host,
            pool=pool,
            datastore=host.datastores[0],
            uuid=self.new_uuid(),
            instance_uuid=instance_uuid or self.new_uuid(),
        )

    def introduce(self, vm: VirtualMachine) -> None:
        """Make a furnished VM known, with every link to it."""
        self.machines[vm.moid] = vm
        folder = vm.parent
        assert isinstance(folder, Folder)  # noqa: S101  VMs live in folders
        self.settle(folder, vm)
        vm.host.vms[vm.moid] = vm
        self.touch(vm.host, "vm")
        if vm.pool is not None:
            vm.pool.vms[vm.moid] = vm
            self.touch(vm.pool, "vm")
        vm.datastore.vms[vm.moid] = vm
        self.touch(vm.datastore, "vm")
        for network in vm.networks():
            network.vms[vm.moid] = vm
            self.touch(network, "vm")

    def plug(self, vm: VirtualMachine, nic: Nic) -> None:
        """Give a card its port; early binding does so at once."""
        vm.nics.append(nic)
        nic.port_key = self.take_port(nic.network)

    def relink_networks(self, vm: VirtualMachine, before: list[Network]) -> None:
        """After cards moved: bring the networks' lists of VMs, and the VM's of networks, up to date."""
        after = vm.networks()
        for network in before:
            if network not in after and network.vms.pop(vm.moid, None) is not None:
                self.touch(network, "vm")
        for network in after:
            if vm.moid not in network.vms:
                network.vms[vm.moid] = vm
                self.touch(network, "vm")
        if before != after:
            self.touch(vm, "network")

    def forget_machine(self, vm: VirtualMachine) -> None:
        """Take a VM out of the inventory, with every link to it; its guest's addresses become free."""
        self.machines.pop(vm.moid, None)
        holders: list[Host | ResourcePool | Datastore | Network] = [vm.host, vm.datastore, *vm.networks()]
        if vm.pool is not None:
            holders.append(vm.pool)
        for holder in holders:
            if holder.vms.pop(vm.moid, None) is not None:
                self.touch(holder, "vm")
        self.free_addresses(vm)
        self.unsettle(vm)
        self.drop(vm)

    def free_addresses(self, vm: VirtualMachine) -> None:
        """Give the guest's natural addresses back to their subnets."""
        for guest_nic in vm.guest.nics:
            card = vm.nic(guest_nic.device_key)
            subnet = self.subnet_of(card.network) if card else None
            if subnet is not None:
                for address in guest_nic.addresses:
                    subnet.give_back(address.address)

    def subnet_of(self, network: Network) -> NaturalSubnet | None:
        """The subnet that guests on `network` use: its own or the one it borrows."""
        return self.subnets.get(self.borrowed.get(network.moid, network.moid))

    def natural_subnets(self) -> list[SubnetPlan]:
        """Every subnet in use, as its network team planned it. Borrowers are not listed: they have none."""
        plans = []
        for moid, subnet in self.subnets.items():
            network = self.objects.get(moid)
            if not isinstance(network, Network):
                continue
            vlan = network.vlan if isinstance(network, PortGroup) and isinstance(network.vlan, int) else None
            plans.append(SubnetPlan(moid, network.name, str(subnet.prefix), subnet.gateway, vlan))
            if subnet.prefix6 is not None and subnet.gateway6 is not None:
                plans.append(SubnetPlan(moid, network.name, str(subnet.prefix6), subnet.gateway6, vlan))
        return plans

    def datacenter_of(self, entity: Entity) -> Datacenter:
        """The datacenter that holds `entity`."""
        current: Entity | None = entity
        while current is not None and not isinstance(current, Datacenter):
            current = current.parent
        if current is None:
            raise invalid_argument("entity", f"{entity.name} is in no datacenter")
        return current

    def first(self, entity_type: type[Entity], test: Callable[[Entity], bool] | None = None) -> Entity | None:
        """The oldest object of a type that passes `test`."""
        for entity in self.objects.values():
            if isinstance(entity, entity_type) and (test is None or test(entity)):
                return entity
        return None

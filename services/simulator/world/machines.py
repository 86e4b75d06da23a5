"""The life of VMs: made, cloned, changed, moved, renamed, removed."""

from __future__ import annotations

from services.simulator.inventory.entities import Entity, Folder, ResourcePool
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.machines import GuestNic, Nic, VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup, Switch
from services.simulator.soap.faults import (
    duplicate_name,
    invalid_argument,
    invalid_name,
    invalid_power_state,
    invalid_state,
)
from services.simulator.world.guests import GuestOperations
from services.simulator.world.lookup import HostLike, NetworkLike, VmLike
from services.simulator.world.operations import operation


class MachineOperations(GuestOperations):
    """Operations on VMs, as an administrator would do them in the client."""

    @operation
    def create_vm(
        self,
        name: str,
        *,
        host: HostLike | None = None,
        networks: list[NetworkLike] | None = None,
        cpus: int = 2,
        memory_mb: int = 4096,
        power_on: bool = True,
        dhcp: bool = True,
    ) -> VirtualMachine:
        """Make a VM with a card per network; with `dhcp` its guest takes natural addresses when it starts."""
        place = self.host(host) if host is not None else self.any_host()
        folder = self.datacenter_of(place).vm_folder
        self.check_name(folder, name)
        vm = self.make_machine(name, folder=folder, host=place, pool=place.cluster.pool)
        vm.num_cpu, vm.memory_mb = cpus, memory_mb
        for network in networks or []:
            self.plug(vm, Nic(vm.free_nic_key(), "VirtualVmxnet3", self.new_mac(), self.network(network)))
        vm.guest.dhcp = vm.guest.tools_installed = dhcp
        vm.guest.host_name = name if dhcp else None
        self.introduce(vm)
        if power_on:
            self.power_up(vm)
        return vm

    def clone(self, source: VirtualMachine, name: str, folder: Folder, host: Host) -> VirtualMachine:
        """A copy of `source` with fresh identity and MACs; its guest asks for an address when it starts."""
        self.check_name(folder, name)
        vm = self.make_machine(name, folder=folder, host=host, pool=host.cluster.pool)
        vm.num_cpu, vm.memory_mb, vm.disk_kb = source.num_cpu, source.memory_mb, source.disk_kb
        vm.guest_id, vm.annotation = source.guest_id, source.annotation
        vm.extra_config = dict(source.extra_config)
        for nic in source.nics:
            self.plug(vm, Nic(nic.key, nic.card, self.new_mac(), nic.network))
        vm.guest.tools_installed = source.guest.tools_installed
        vm.guest.host_name = source.guest.host_name
        vm.guest.dhcp = bool(source.guest.nics) or source.guest.dhcp
        self.introduce(vm)
        return vm

    @operation
    def clone_vm(self, vm: VmLike, name: str, host: HostLike | None = None) -> VirtualMachine:
        """Clone a VM or template, switched off."""
        source = self.vm(vm)
        place = self.host(host) if host is not None else source.host
        return self.clone(source, name, self.datacenter_of(place).vm_folder, place)

    @operation
    def power(self, vm: VmLike, on: bool) -> None:
        """Power a VM on or off."""
        machine = self.vm(vm)
        if on:
            if machine.template:
                raise invalid_state(f"{machine.name} is a template")
            if machine.host.connection != "connected":
                raise invalid_state(f"host {machine.host.name} is {machine.host.connection}")
            self.power_up(machine)
        else:
            self.power_down(machine)

    @operation
    def suspend(self, vm: VmLike) -> None:
        """Suspend a running VM."""
        machine = self.vm(vm)
        if machine.power != "poweredOn":
            raise invalid_power_state("poweredOn", machine.power)
        self.power_down(machine, "suspended")

    @operation
    def rename(self, what: Entity | str, name: str) -> None:
        """Rename any object."""
        entity = self.entity(what)
        self.check_name(entity.parent, name, entity)
        entity.name = name
        self.touch(entity, "name")
        if isinstance(entity, PortGroup):
            entity.config_version += 1
            self.touch(entity.switch, "summary.portgroupName")
        elif isinstance(entity, Network):
            self._rename_on_hosts(entity)
        elif isinstance(entity, Switch):
            entity.config_version += 1
            for host in entity.hosts.values():
                self.touch(host, "config.network.proxySwitch")
        elif isinstance(entity, VirtualMachine):
            self._changed_config(entity)
        if isinstance(entity, Network):
            for vm in list(entity.vms.values()):
                shown = ["guest.net"] if vm.guest.tools_running else []
                shown += self._card_paths(vm, entity)
                if shown:
                    self.touch(vm, *shown)

    def _rename_on_hosts(self, network: Network) -> None:
        for host in network.hosts.values():
            for group in host.port_groups:
                if self._network_named(host, group.name) in {None, network}:
                    group.name = network.name
            self.touch(host, "config.network.portgroup", "config.network.vswitch")

    def _network_named(self, host: Host, name: str) -> Network | None:
        return next((n for n in host.networks.values() if n.name == name), None)

    def _card_paths(self, vm: VirtualMachine, network: Network) -> list[str]:
        """The cards that look different when `network` does: distributed backings hold only its key."""
        if isinstance(network, PortGroup):
            return []
        return [f"config.hardware.device[{nic.key}]" for nic in vm.nics if nic.network is network]

    @operation
    def annotate(self, vm: VmLike, annotation: str) -> None:
        """Set a VM's notes."""
        machine = self.vm(vm)
        machine.annotation = annotation
        self._changed_config(machine, "config.annotation")

    @operation
    def set_option(self, vm: VmLike, key: str, value: str) -> None:
        """Set an option of a VM's extraConfig; an empty value takes it away."""
        machine = self.vm(vm)
        before = machine.extra_config.get(key)
        if value:
            machine.extra_config[key] = value
        else:
            machine.extra_config.pop(key, None)
        if before != machine.extra_config.get(key):
            op = "add" if before is None else "assign" if value else "remove"
            self._changed_config(machine, f'config.extraConfig["{key}"]', op=op)

    @operation
    def resize(self, vm: VmLike, cpus: int | None = None, memory_mb: int | None = None) -> None:
        """Change a VM's CPUs or memory."""
        machine = self.vm(vm)
        if cpus is not None and cpus != machine.num_cpu:
            machine.num_cpu = cpus
            self._changed_config(machine, "config.hardware.numCPU")
        if memory_mb is not None and memory_mb != machine.memory_mb:
            machine.memory_mb = memory_mb
            self._changed_config(machine, "config.hardware.memoryMB")

    @operation
    def set_template(self, vm: VmLike, template: bool) -> None:
        """Turn a VM that is off into a template, or back."""
        machine = self.vm(vm)
        if machine.power != "poweredOff":
            raise invalid_power_state("poweredOff", machine.power)
        machine.template = template
        pool = None if template else machine.host.cluster.pool
        self.set_pool(machine, pool)
        self._changed_config(machine, "config.template")

    def set_pool(self, vm: VirtualMachine, pool: ResourcePool | None) -> None:
        """Put a VM into a resource pool (None for templates, which are in none)."""
        if vm.pool is pool:
            return
        if vm.pool is not None:
            vm.pool.vms.pop(vm.moid, None)
            self.touch(vm.pool, "vm")
        vm.pool = pool
        if pool is not None:
            pool.vms[vm.moid] = vm
            self.touch(pool, "vm")
        self.touch(vm, "resourcePool")

    @operation
    def move_vm(self, vm: VmLike, host: HostLike) -> None:
        """Move a VM to another host of the same datacenter (vMotion)."""
        machine, target = self.vm(vm), self.host(host)
        if machine.host is target:
            return
        if self.datacenter_of(target) is not self.datacenter_of(machine.host):
            raise invalid_argument("host", f"{target.name} is in another datacenter")
        source = machine.host
        source.vms.pop(machine.moid, None)
        target.vms[machine.moid] = machine
        machine.host = target
        if machine.datastore not in target.datastores:
            machine.datastore.vms.pop(machine.moid, None)
            self.touch(machine.datastore, "vm")
            machine.datastore = target.datastores[0]
            machine.datastore.vms[machine.moid] = machine
            self.touch(machine.datastore, "vm")
            self.touch(machine, "datastore", "config.hardware.device[2000]")
        if machine.pool is not None:
            self.set_pool(machine, target.cluster.pool)
        self.touch(source, "vm")
        self.touch(target, "vm")
        self.touch(machine, "runtime.host")
        if machine.connection != target.connection:
            machine.connection = target.connection
            self.touch(machine, "runtime.connectionState")

    @operation
    def move_nic(
        self, vm: VmLike, device_key: int | None, network: NetworkLike, renumber: bool = False
    ) -> None:
        """Plug a card into another network; with `renumber` the guest takes an address there."""
        machine = self.vm(vm)
        card = self.nic(machine, device_key)
        target = self.network(network)
        before = machine.networks()
        seen = self._seen(machine)
        if renumber:
            self._leave_natural(machine, card)
        card.network = target
        card.port_key = self.take_port(target)
        self._changed_config(machine, f"config.hardware.device[{card.key}].backing")
        self.touch(machine, f"config.hardware.device[{card.key}].deviceInfo")
        self.relink_networks(machine, before)
        if renumber:
            self._enter_natural(machine, card)
        self._show(machine, seen)

    def _leave_natural(self, vm: VirtualMachine, card: Nic) -> None:
        subnet = self.subnet_of(card.network)
        for nic in vm.guest.nics:
            if nic.device_key == card.key and subnet is not None:
                for address in nic.addresses:
                    subnet.give_back(address.address)

    def _enter_natural(self, vm: VirtualMachine, card: Nic) -> None:
        subnet = self.subnet_of(card.network)
        address = subnet.take() if subnet else None
        if subnet is not None and address is not None:
            nic = self._guest_nic(vm, card.key, card.mac)
            nic.addresses = [address]
            nic.gateway = subnet.gateway if nic.gateway else None

    @operation
    def add_nic(self, vm: VmLike, network: NetworkLike, mac: str | None = None) -> int:
        """Give a VM another card; returns its device key."""
        machine = self.vm(vm)
        card = Nic(machine.free_nic_key(), "VirtualVmxnet3", mac or self.new_mac(), self.network(network))
        self.insert_card(machine, card)
        return card.key

    def insert_card(self, vm: VirtualMachine, card: Nic) -> None:
        """Add a ready-made card."""
        before = vm.networks()
        self.plug(vm, card)
        self._changed_config(vm, f"config.hardware.device[{card.key}]", op="add")
        self.touch(vm, "summary.config.numEthernetCards")
        self.relink_networks(vm, before)

    @operation
    def remove_nic(self, vm: VmLike, device_key: int | None) -> None:
        """Take a card out of a VM; the guest no longer reports it."""
        machine = self.vm(vm)
        card = self.nic(machine, device_key)
        before = machine.networks()
        seen = self._seen(machine)
        self._leave_natural(machine, card)
        machine.nics.remove(card)
        machine.guest.nics = [nic for nic in machine.guest.nics if nic.device_key != card.key]
        self._changed_config(machine, f"config.hardware.device[{card.key}]", op="remove")
        self.touch(machine, "summary.config.numEthernetCards")
        self.relink_networks(machine, before)
        self._show(machine, seen)

    @operation
    def set_mac(self, vm: VmLike, device_key: int | None, mac: str) -> None:
        """Give a card another MAC address."""
        machine = self.vm(vm)
        card = self.nic(machine, device_key)
        seen = self._seen(machine)
        card.mac, card.address_type = mac, "manual"
        for nic in machine.guest.nics:
            if nic.device_key == card.key:
                nic.mac = mac
        self._changed_config(machine, f"config.hardware.device[{card.key}].macAddress")
        self.touch(machine, f"config.hardware.device[{card.key}].addressType")
        self._show(machine, seen)

    @operation
    def connect_nic(self, vm: VmLike, device_key: int | None, connected: bool) -> None:
        """Pull a card's cable, or plug it in again."""
        machine = self.vm(vm)
        card = self.nic(machine, device_key)
        seen = self._seen(machine)
        card.connected = connected
        guest: list[GuestNic] = [nic for nic in machine.guest.nics if nic.device_key == card.key]
        for nic in guest:
            nic.connected = connected
        self._changed_config(machine, f"config.hardware.device[{card.key}].connectable")
        self._show(machine, seen)

    def _changed_config(self, vm: VirtualMachine, *paths: str, op: str = "assign") -> None:
        vm.change_version += 1
        if paths:
            self.touch(vm, *paths, op=op)
        self.touch(vm, "config.changeVersion")

    @operation
    def remove_vm(self, vm: VmLike) -> None:
        """Delete a VM, running or not."""
        self.forget_machine(self.vm(vm))

    @operation
    def unregister_vm(self, vm: VmLike) -> None:
        """Take a VM that is off out of the inventory, leaving its files."""
        machine = self.vm(vm)
        if machine.power != "poweredOff":
            raise invalid_power_state("poweredOff", machine.power)
        self.forget_machine(machine)

    def any_host(self) -> Host:
        """The usable host with the fewest VMs."""
        able = [h for h in self.of_kind("HostSystem") if isinstance(h, Host) and self.usable(h)]
        if not able:
            raise invalid_state("no host is connected and out of maintenance")
        return min(able, key=lambda host: (len(host.vms), host.moid))

    def usable(self, host: Host) -> bool:
        """Whether VMs can be put on a host."""
        return host.connection == "connected" and not host.maintenance

    def check_name(self, folder: Entity | None, name: str, renamed: Entity | None = None) -> None:
        """Raises InvalidName or DuplicateName when `name` can't be used in `folder`."""
        if not name.strip() or len(name) > 80:
            raise invalid_name(name)
        if isinstance(folder, Folder):
            for child in folder.child_entities.values():
                if (
                    child.name == name
                    and child is not renamed
                    and (renamed is None or child.kind == renamed.kind)
                ):
                    raise duplicate_name(name, child.ref)

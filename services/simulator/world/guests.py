"""What happens inside guests: addresses, Tools, bridges, starting up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.simulator.inventory.machines import Customization, GuestNic, VirtualMachine
from services.simulator.soap.faults import invalid_argument, invalid_power_state
from services.simulator.soap.values import Value
from services.simulator.world.addressing import AddressLike, link_local, parse_addresses
from services.simulator.world.lookup import Lookup, VmLike
from services.simulator.world.operations import operation

_SHOWN = ("guest.toolsRunningStatus", "guest.hostName", "guest.net", "guest.ipStack", "guest.ipAddress")


class GuestOperations(Lookup):
    """Operations on guests. A change is recorded only for what clients would see differently."""

    boot_seconds: float = 0.0
    """From power-on until Tools report."""

    @operation
    def set_guest_addresses(
        self,
        vm: VmLike,
        device_key: int | None,
        addresses: Sequence[AddressLike],
        gateway: str | None = None,
        dns: Sequence[str] = (),
    ) -> None:
        """Let a guest report exactly these addresses on one card; starts Tools when the VM is on."""
        machine = self.vm(vm)
        card = self.nic(machine, device_key)
        parsed = parse_addresses(addresses)
        before = self._seen(machine)
        nic = self._guest_nic(machine, card.key, card.mac)
        nic.addresses = parsed
        nic.gateway = gateway if gateway is not None else nic.gateway
        nic.dns = tuple(dns) or nic.dns
        self._tools_up(machine)
        self._show(machine, before)

    @operation
    def add_docker_bridges(self, vm: VmLike, count: int = 1) -> None:
        """Let the guest report `count` more container bridges (interfaces that are no devices of the VM)."""
        machine = self.vm(vm)
        before = self._seen(machine)
        have = sum(nic.device_key < 0 for nic in machine.guest.nics)
        for number in range(have, have + count):
            mac = f"02:42:{self.random.getrandbits(32):08x}"
            mac = ":".join([mac[:5], *(mac[6:][i : i + 2] for i in range(0, 8, 2))])
            bridge = parse_addresses([(f"172.{17 + number % 15}.0.1", 16)])
            machine.guest.nics.append(GuestNic(-1, mac, bridge, network=None))
        self._show(machine, before)

    @operation
    def remove_docker_bridges(self, vm: VmLike) -> None:
        """Let the guest's container bridges go."""
        machine = self.vm(vm)
        before = self._seen(machine)
        machine.guest.nics = [nic for nic in machine.guest.nics if nic.device_key >= 0]
        self._show(machine, before)

    @operation
    def shuffle_guest(self, vm: VmLike) -> None:
        """Let Tools report the same interfaces and addresses in another order."""
        machine = self.vm(vm)
        before = self._seen(machine)
        machine.guest.nics.reverse()
        for nic in machine.guest.nics:
            nic.addresses.reverse()
        self._show(machine, before)

    @operation
    def drop_tools(self, vm: VmLike) -> None:
        """Let Tools fall silent while the VM runs on."""
        machine = self.vm(vm)
        before = self._seen(machine)
        machine.guest.tools_running = False
        self._show(machine, before)

    @operation
    def start_tools(self, vm: VmLike) -> None:
        """Let Tools speak again, with what the guest had configured."""
        machine = self.vm(vm)
        if machine.power != "poweredOn":
            raise invalid_power_state("poweredOn", machine.power)
        before = self._seen(machine)
        self._tools_up(machine)
        self._show(machine, before)

    @operation
    def set_weak_address(self, vm: VmLike, address: str | None) -> None:
        """Let guest.ipAddress be set while guest.net is empty, as some systems do."""
        machine = self.vm(vm)
        before = self._seen(machine)
        machine.guest.nics = []
        machine.guest.weak_address = address
        self._tools_up(machine)
        self._show(machine, before)

    @operation
    def boot(self, vm: VmLike, addresses: Mapping[str, Sequence[AddressLike]] | None = None) -> None:
        """Power a VM on (again); after `boot_seconds` it reports `addresses`, by device key or MAC."""
        machine = self.vm(vm)
        if addresses is not None:
            nics = [self._planned(machine, str(where), items) for where, items in addresses.items()]
            name = machine.guest.host_name or machine.name
            machine.pending = Customization(name, machine.guest.domain, nics)
        if machine.power == "poweredOn":
            self.power_down(machine)
        self.power_up(machine)

    def _planned(self, vm: VirtualMachine, where: str, items: Sequence[AddressLike]) -> GuestNic:
        for nic in vm.nics:
            if where in {str(nic.key), nic.mac}:
                return GuestNic(nic.key, nic.mac, parse_addresses(items))
        raise invalid_argument("addresses", f"{vm.name} has no network card {where}")

    def power_up(self, vm: VirtualMachine) -> None:
        """Power on, and start the guest."""
        if vm.power == "poweredOn":
            raise invalid_power_state("poweredOn", vm.power)
        vm.power = "poweredOn"
        vm.booted = self.now()
        vm.boots += 1
        boots = vm.boots
        self.touch(vm, "runtime.powerState")

        def up() -> None:
            if vm.alive and vm.boots == boots:
                self._guest_started(vm)

        self.later(self.boot_seconds, up)

    def power_down(self, vm: VirtualMachine, state: str = "poweredOff") -> None:
        """Power off or suspend: Tools fall silent, the guest keeps its configuration."""
        if vm.power == state:
            raise invalid_power_state(state, vm.power)
        before = self._seen(vm)
        vm.power = state
        vm.boots += 1
        vm.guest.tools_running = False
        self.touch(vm, "runtime.powerState")
        self._show(vm, before)

    def _guest_started(self, vm: VirtualMachine) -> None:
        before = self._seen(vm)
        if vm.pending is not None:
            self._customize(vm, vm.pending)
        elif vm.guest.dhcp:
            self.free_addresses(vm)
            vm.guest.nics = []
            self.assign_natural(vm)
        if vm.guest.tools_installed:
            vm.guest.tools_running = True
        self._show(vm, before)

    def _customize(self, vm: VirtualMachine, plan: Customization) -> None:
        vm.pending = None
        guest = vm.guest
        guest.tools_installed = True
        guest.dhcp = False
        guest.host_name, guest.domain = plan.host_name, plan.domain
        guest.nics = list(plan.nics)
        for nic in guest.nics:
            if not nic.addresses:
                card = vm.nic(nic.device_key)
                subnet = self.subnet_of(card.network) if card else None
                lease = subnet.take() if subnet else None
                nic.addresses = [lease] if lease else []
        guest.customization = "TOOLSDEPLOYPKG_SUCCEEDED"
        guest.customization_end = self.now()
        self.touch(vm, "guest.customizationInfo")

    def assign_natural(self, vm: VirtualMachine) -> None:
        """Configure each card with an address of its port group's natural subnet."""
        for card in vm.nics:
            subnet = self.subnet_of(card.network)
            address = subnet.take() if subnet else None
            if subnet is None or address is None:
                continue
            nic = self._guest_nic(vm, card.key, card.mac)
            nic.addresses = [address]
            derived = subnet.derived6(card.mac)
            if derived is not None:
                nic.addresses += [derived, link_local(card.mac)]
            if card is vm.nics[0]:
                nic.gateway = subnet.gateway
                nic.dns = ("192.0.2.53",)

    def _guest_nic(self, vm: VirtualMachine, key: int, mac: str) -> GuestNic:
        for nic in vm.guest.nics:
            if nic.device_key == key:
                return nic
        nic = GuestNic(key, mac, [])
        own = sum(other.device_key >= 0 for other in vm.guest.nics)
        vm.guest.nics.insert(own, nic)
        return nic

    def _tools_up(self, vm: VirtualMachine) -> None:
        vm.guest.tools_installed = True
        if vm.guest.host_name is None:
            vm.guest.host_name = vm.name
        vm.guest.tools_running = vm.power == "poweredOn"

    def _seen(self, vm: VirtualMachine) -> list[Value]:
        return [self.value_of(vm, path) for path in _SHOWN]

    def _show(self, vm: VirtualMachine, before: list[Value]) -> None:
        changed = [path for path, old in zip(_SHOWN, before, strict=True) if self.value_of(vm, path) != old]
        if changed:
            self.touch(vm, *changed)

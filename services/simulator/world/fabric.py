"""Operations on networks and hosts."""

from __future__ import annotations

from services.simulator.inventory.hosts import Host, VirtualSwitch
from services.simulator.inventory.networks import Network, PortGroup, Switch, Trunk
from services.simulator.soap.faults import invalid_argument, invalid_state, resource_in_use
from services.simulator.world.lookup import HostLike, NetworkLike
from services.simulator.world.machines import MachineOperations
from services.simulator.world.operations import operation


class FabricOperations(MachineOperations):
    """What network and host administrators do."""

    @operation
    def add_portgroup(
        self, name: str, vlan: int | list[list[int]] = 0, switch: str | None = None
    ) -> PortGroup:
        """Make a distributed port group: on `switch`, or the first. `vlan` as ranges makes a trunk."""
        holder = self.entity(switch) if switch is not None else self.first(Switch)
        if not isinstance(holder, Switch):
            raise invalid_argument("switch", f"{switch} is no distributed switch")
        self.check_name(holder.parent, name)
        ranges: Trunk | int = vlan if isinstance(vlan, int) else tuple((low, high) for low, high in vlan)
        return self.make_port_group(holder, name, ranges)

    @operation
    def remove_portgroup(self, network: NetworkLike, force: bool = True) -> None:
        """Remove a port group or standard network; with `force` even under running VMs."""
        gone = self.network(network)
        if gone.vms and not force:
            raise resource_in_use(gone.kind, gone.name)
        if isinstance(gone, PortGroup):
            gone.switch.port_groups.pop(gone.moid, None)
            self.groups_changed(gone.switch, gone)
        for host in list(gone.hosts.values()):
            host.networks.pop(gone.moid, None)
            if not isinstance(gone, PortGroup):
                host.port_groups = [group for group in host.port_groups if group.name != gone.name]
                self.touch(host, "config.network.portgroup", "config.network.vswitch")
            self.networks_changed(host)
        self.unsettle(gone)
        stranded = list(gone.vms.values())
        gone.vms.clear()
        self.drop(gone)
        for vm in stranded:
            self.touch(vm, "network", *self._card_paths(vm, gone))

    @operation
    def set_vlan(self, network: NetworkLike, vlan: int | list[list[int]]) -> None:
        """Give a distributed port group another VLAN, or ranges of them."""
        group = self.port_group(network)
        group.vlan = vlan if isinstance(vlan, int) else tuple((low, high) for low, high in vlan)
        group.config_version += 1
        self.touch(group, "config.defaultPortConfig", "config.configVersion")

    @operation
    def disconnect_host(self, host: HostLike, state: str = "disconnected") -> None:
        """Let a host be "disconnected" or "notResponding"; its VMs stay, as last known."""
        self._set_connection(self.host(host), state)

    @operation
    def reconnect_host(self, host: HostLike) -> None:
        """Bring a host back."""
        self._set_connection(self.host(host), "connected")

    def _set_connection(self, host: Host, state: str) -> None:
        if state not in {"connected", "disconnected", "notResponding"}:
            raise invalid_argument("state", f"{state!r} is no host connection state")
        if host.connection == state:
            raise invalid_state(f"host {host.name} is {state} already")
        host.connection = state
        self.touch(host, "runtime.connectionState")
        self.touch(host.cluster, "summary.numEffectiveHosts")
        for vm in host.vms.values():
            vm.connection = "connected" if state == "connected" else "disconnected"
            self.touch(vm, "runtime.connectionState")

    @operation
    def maintenance(self, host: HostLike, on: bool, evacuate: bool = True) -> None:
        """Put a host into maintenance mode, its running VMs moved within the cluster; or take it out."""
        target = self.host(host)
        if target.maintenance == on:
            raise invalid_state(f"host {target.name} is {'' if on else 'not '}in maintenance mode")
        if on and evacuate:
            self._evacuate(target)
        target.maintenance = on
        self.touch(target, "runtime.inMaintenanceMode")
        self.touch(target.cluster, "summary.numEffectiveHosts")

    def _evacuate(self, host: Host) -> None:
        others = [h for h in host.cluster.hosts.values() if h is not host and self.usable(h)]
        for vm in [vm for vm in host.vms.values() if vm.power == "poweredOn"]:
            if not others:
                raise invalid_state(f"no other host of {host.cluster.name} can take {vm.name}")
            self.move_vm(vm, min(others, key=lambda h: len(h.vms)))

    @operation
    def set_link(self, host: HostLike, device: str, speed_mb: int | None) -> None:
        """Change a physical adapter's link speed; None takes the link down."""
        target = self.host(host)
        for nic in target.pnics:
            if nic.device == device:
                nic.speed_mb = speed_mb
                self.touch(target, "config.network.pnic")
                return
        raise invalid_argument("device", f"{target.name} has no adapter {device}")

    @operation
    def add_vswitch(self, host: HostLike, name: str, uplinks: list[str]) -> None:
        """Make a standard switch on a host; without uplinks it reaches nobody."""
        target = self.host(host)
        if any(switch.name == name for switch in target.vswitches):
            raise invalid_argument("name", f"{target.name} has a switch {name} already")
        target.vswitches.append(VirtualSwitch(name, list(uplinks)))
        self.touch(target, "config.network.vswitch")

    def join_network(self, host: Host, network: Network) -> None:
        """Let a host see a network."""
        network.hosts[host.moid] = host
        host.networks[network.moid] = network
        self.touch(network, "host", "summary.accessible")
        self.networks_changed(host)

"""A vCenter read with plain pyVmomi, property by property, and what each fact about it should then say."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from pyVmomi import vim as typed_vim

from shared.events.base import Fact
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import HostChanged, PortgroupChanged, SwitchChanged, VmChanged
from tests.integration.collector.observing import Observer

vim: Any = typed_vim
Expected = dict[str, Any]
IN_EVERY_FACT = {"vcenter", "scope", "epoch", "sequence"}
_CARD = vim.vm.device.VirtualEthernetCard
_DVS = vim.dvs.VmwareDistributedVirtualSwitch
_POWER = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
_HOST_STATES = {"connected": "connected", "disconnected": "disconnected", "notResponding": "not_responding"}
_TOOLS = {"guestToolsRunning": "running", "guestToolsNotRunning": "not_running"}
_BINDINGS = {"earlyBinding": "early", "lateBinding": "late", "ephemeral": "ephemeral"}


def told(observer: Observer, kind: type[Fact]) -> dict[str, Expected]:
    """What the newest facts of a type say, by managed object id."""
    facts = (fact.model_dump(mode="json", exclude=IN_EVERY_FACT) for fact in observer.newest(kind).values())
    return {fact["moid"]: fact for fact in facts}


class DirectRead:
    """All of a vCenter's inventory, as facts should tell it. Blocks."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._groups = {group.key: group for group in self.every(vim.dvs.DistributedVirtualPortgroup)}

    def every(self, kind: Any) -> list[Any]:
        """All objects of a type."""
        view = self._content.viewManager.CreateContainerView(self._content.rootFolder, [kind], True)
        found = list(view.view)
        view.DestroyView()
        return found

    def facts(self) -> dict[type[Fact], dict[str, Expected]]:
        """By type of fact and managed object id."""
        machines = self.every(vim.VirtualMachine)
        return {
            VmChanged: {vm._moId: self.vm(vm) for vm in machines},
            GuestAddressesChanged: {vm._moId: guest(vm) for vm in machines if not vm.config.template},
            HostChanged: {host._moId: host_(host) for host in self.every(vim.HostSystem)},
            SwitchChanged: {
                switch._moId: switch_(switch) for switch in self.every(vim.DistributedVirtualSwitch)
            },
            PortgroupChanged: {network._moId: portgroup(network) for network in self.every(vim.Network)},
        }

    def vm(self, vm: Any) -> Expected:
        host, info, pool = vm.runtime.host, vm.config, vm.resourcePool
        return {
            "moid": vm._moId,
            "name": plain(vm.name),
            "instance_uuid": info.instanceUuid,
            "bios_uuid": info.uuid,
            "host": host._moId,
            "datacenter": datacenter(host)._moId,
            "resource_pool": pool._moId if pool else None,
            "resource_pool_name": plain(pool.name) if pool else None,
            "power": _POWER[vm.runtime.powerState],
            "connection": vm.runtime.connectionState,
            "template": info.template,
            "placeholder": False,
            "fault_tolerance_secondary": bool(info.ftInfo and info.ftInfo.role > 1),
            "cpus": info.hardware.numCPU,
            "memory_mb": info.hardware.memoryMB,
            "reservation": None,
            "extra_config_reservation": None,
            "ports": [self._port(device) for device in sorted(cards(vm), key=lambda device: device.key)],
        }

    def _port(self, device: Any) -> Expected:
        backing, port = device.backing, None
        network = None
        if isinstance(backing, _CARD.DistributedVirtualPortBackingInfo):
            port = backing.port
            network = self._groups[port.portgroupKey]._moId
        elif isinstance(backing, _CARD.NetworkBackingInfo):
            network = backing.network._moId if backing.network else None
        return {
            "key": device.key,
            "label": device.deviceInfo.label,
            "adapter": type(device).__name__.rpartition("Virtual")[2].lower(),
            "mac": device.macAddress.lower() if device.macAddress else None,
            "network": network,
            "connected": device.connectable.connected,
            "switch_uuid": port.switchUuid if port else None,
            "portgroup_key": port.portgroupKey if port else None,
            "dvport_key": port.portKey if port else None,
        }


def cards(vm: Any) -> list[Any]:
    """A VM's network devices."""
    return [device for device in vm.config.hardware.device if isinstance(device, _CARD)]


def plain(name: str) -> str:
    """A name without vSphere's escapes."""
    for escape, sign in (("%2f", "/"), ("%5c", "\\"), ("%25", "%")):
        name = name.replace(escape, sign)
    return name


def datacenter(entity: Any) -> Any:
    """The datacenter that something is in."""
    while not isinstance(entity, vim.Datacenter):
        entity = entity.parent
    return entity


def guest(vm: Any) -> Expected:
    info = vm.guest
    by_key = {card.key: card for card in cards(vm)}
    nics = [nic for nic in info.net or () if nic.deviceConfigId in by_key]
    ports = [
        {
            "key": key,
            "mac": by_key[key].macAddress.lower(),
            "connected": any(nic.connected for nic in nics if nic.deviceConfigId == key),
            "addresses": addresses([nic for nic in nics if nic.deviceConfigId == key]),
        }
        for key in sorted({nic.deviceConfigId for nic in nics})
    ]
    placed = any(port["addresses"] for port in ports)
    keys = [nic.deviceConfigId if nic.deviceConfigId in by_key else None for nic in info.net or ()]
    stacks = [
        {"routes": routes(stack, keys), "dns": list(stack.dnsConfig.ipAddress) if stack.dnsConfig else []}
        for stack in info.ipStack or ()
    ]
    return {
        "moid": vm._moId,
        "instance_uuid": vm.config.instanceUuid,
        "tools": _TOOLS.get(info.toolsRunningStatus, "unknown"),
        "hostname": info.hostName or None,
        "ports": ports,
        "unplaced": None if placed else info.ipAddress or None,
        "routes": [route for stack in stacks for route in stack["routes"]],
        "dns": list(dict.fromkeys(server for stack in stacks for server in stack["dns"])),
        "stacks": stacks if len(stacks) > 1 else [],
    }


def addresses(nics: list[Any]) -> list[Expected]:
    told = {}
    for nic in nics:
        for bare in nic.ipAddress or ():
            told[ip_address(bare)] = {"prefix": None, "origin": None, "state": None}
        for ip in nic.ipConfig.ipAddress if nic.ipConfig else ():
            detail = {"prefix": ip.prefixLength, "origin": ip.origin or None, "state": ip.state or None}
            told[ip_address(ip.ipAddress)] = detail
    lasting = {ip: told[ip] for ip in told if not ip.is_link_local and told[ip]["origin"] != "random"}
    ordered = sorted(lasting, key=lambda ip: (ip.version, int(ip)))
    return [{"address": str(ip), **lasting[ip]} for ip in ordered]


def routes(stack: Any, keys: list[int | None]) -> list[Expected]:
    found = [
        {"gateway": route.gateway.ipAddress, "key": keys[int(route.gateway.device)]}
        for route in (stack.ipRouteConfig.ipRoute if stack.ipRouteConfig else ())
        if route.prefixLength == 0 and route.gateway.ipAddress
    ]
    return sorted(found, key=lambda route: int(ip_address(route["gateway"])))


def host_(host: Any) -> Expected:
    network, hardware, above = host.config.network, host.summary.hardware, host.parent
    cluster = above if isinstance(above, vim.ClusterComputeResource) else None
    devices = {pnic.key: pnic.device for pnic in network.pnic}
    manages = {
        key.removeprefix("management.")
        for config in host.config.virtualNicManagerInfo.netConfig
        if config.nicType == "management"
        for key in config.selectedVnic
    }
    vmks = [vmk(vnic, manages) for vnic in sorted(network.vnic, key=lambda vnic: vnic.device)]
    return {
        "moid": host._moId,
        "name": host.name,
        "uuid": host.hardware.systemInfo.uuid,
        "datacenter": datacenter(host)._moId,
        "datacenter_name": plain(datacenter(host).name),
        "cluster": cluster._moId if cluster else None,
        "cluster_name": plain(cluster.name) if cluster else None,
        "resource_pool": above.resourcePool._moId,
        "resource_pool_name": plain(above.resourcePool.name),
        "management_address": next((v["address"] for v in vmks if v["management"] and v["address"]), None),
        "connection": _HOST_STATES[host.runtime.connectionState],
        "maintenance": host.runtime.inMaintenanceMode,
        "cpu_cores": hardware.numCpuCores,
        "cpu_mhz": hardware.cpuMhz,
        "memory_mb": hardware.memorySize // 2**20,
        "pnics": [pnic_(pnic) for pnic in sorted(network.pnic, key=lambda pnic: pnic.device)],
        "switches": [
            *(standard(s, devices) for s in sorted(network.vswitch, key=lambda s: s.name)),
            *(proxy(s, devices) for s in sorted(network.proxySwitch, key=lambda s: (s.dvsName, s.dvsUuid))),
        ],
        "portgroups": [
            {
                "name": group.spec.name,
                "switch": group.spec.vswitchName,
                "vlan": group.spec.vlanId,
                "teaming": standard_teaming(group.computedPolicy),
                "security": standard_security(group.computedPolicy),
            }
            for group in sorted(network.portgroup, key=lambda group: group.spec.name)
        ],
        "vmkernel_nics": vmks,
        "networks": sorted(found._moId for found in host.network),
    }


def pnic_(pnic: Any) -> Expected:
    return {
        "device": pnic.device,
        "mac": pnic.mac.lower() or None,
        "link_mbps": pnic.linkSpeed.speedMb if pnic.linkSpeed else None,
        "driver": pnic.driver or None,
        "pci": pnic.pci or None,
    }


def vmk(vnic: Any, manages: set[str]) -> Expected:
    port = vnic.spec.distributedVirtualPort
    loopback = vnic.spec.ip.ipAddress == "127.0.0.1"  # vcsim's hosts; it is nobody's address
    return {
        "device": vnic.device,
        "address": None if loopback else vnic.spec.ip.ipAddress or None,
        "mac": vnic.spec.mac.lower(),
        "portgroup": vnic.portgroup or (port.portgroupKey if port else None),
        "management": vnic.key in manages or vnic.device in manages,
    }


def standard(switch: Any, devices: dict[str, str]) -> Expected:
    return {
        "name": switch.name,
        "kind": "standard",
        "uuid": None,
        "pnics": [devices.get(key, key) for key in switch.pnic],
        "ports": switch.numPorts,
        "ports_available": switch.numPortsAvailable,
        "mtu": switch.mtu,
        "teaming": standard_teaming(switch.spec.policy),
        "security": standard_security(switch.spec.policy),
        "uplinks": [],
    }


def proxy(switch: Any, devices: dict[str, str]) -> Expected:
    names = {port.key: port.value for port in switch.uplinkPort}
    specs = switch.spec.backing.pnicSpec if switch.spec and switch.spec.backing else ()
    uplinks = [
        {"uplink": names.get(spec.uplinkPortKey, spec.uplinkPortKey), "pnic": spec.pnicDevice}
        for spec in specs
        if spec.uplinkPortKey
    ]
    return {
        "name": switch.dvsName,
        "kind": "distributed",
        "uuid": switch.dvsUuid,
        "pnics": [devices.get(key, key) for key in switch.pnic],
        "ports": switch.numPorts,
        "ports_available": switch.numPortsAvailable,
        "mtu": switch.mtu,
        "teaming": None,
        "security": None,
        "uplinks": sorted(uplinks, key=lambda uplink: (uplink["uplink"], uplink["pnic"])),
    }


def standard_teaming(policy: Any) -> Expected | None:
    teaming = policy.nicTeaming if policy else None
    if teaming is None or not teaming.policy:
        return None
    return {
        "policy": teaming.policy,
        "active": list(teaming.nicOrder.activeNic) if teaming.nicOrder else [],
        "standby": list(teaming.nicOrder.standbyNic) if teaming.nicOrder else [],
        "check_beacon": teaming.failureCriteria.checkBeacon if teaming.failureCriteria else None,
        "notify_switches": teaming.notifySwitches,
        "rolling_order": teaming.rollingOrder,
    }


def standard_security(policy: Any) -> Expected | None:
    security = policy.security if policy else None
    if security is None:
        return None
    return {
        "promiscuous": security.allowPromiscuous,
        "mac_changes": security.macChanges,
        "forged_transmits": security.forgedTransmits,
    }


def switch_(switch: Any) -> Expected:
    config = switch.config
    return {
        "moid": switch._moId,
        "name": plain(switch.name),
        "uuid": switch.uuid,
        "datacenter": datacenter(switch)._moId,
        "datacenter_name": plain(datacenter(switch).name),
        "hosts": sorted(host._moId for host in switch.summary.hostMember),
        "uplinks": list(getattr(config.uplinkPortPolicy, "uplinkPortName", ())),
        "max_mtu": config.maxMtu or None,
        "private_vlans": [
            {"primary": pair.primaryVlanId, "secondary": pair.secondaryVlanId, "kind": pair.pvlanType}
            for pair in sorted(
                config.pvlanConfig, key=lambda pair: (pair.primaryVlanId, pair.secondaryVlanId)
            )
        ],
        "lags": [
            {
                "name": group.name,
                "mode": group.mode,
                "uplinks": list(group.uplinkName),
                "load_balancing": group.loadbalanceAlgorithm,
            }
            for group in config.lacpGroupConfig
        ],
    }


def portgroup(network: Any) -> Expected:
    distributed = isinstance(network, vim.dvs.DistributedVirtualPortgroup)
    said: Expected = {
        "moid": network._moId,
        "name": plain(network.name),
        "kind": "distributed" if distributed else "standard",
        "datacenter": datacenter(network)._moId,
        "datacenter_name": plain(datacenter(network).name),
        "hosts": sorted(host._moId for host in network.host),
        "foreign": None,
    }
    return said | (of_switch(network) if distributed else of_hosts(network))


def of_switch(group: Any) -> Expected:
    config, setting = group.config, group.config.defaultPortConfig
    switch = config.distributedVirtualSwitch
    return {
        "uplink": bool(config.uplink) or group in switch.config.uplinkPortgroup,
        "key": group.key,
        "switch": switch._moId,
        "switch_uuid": switch.uuid,
        "switch_name": plain(switch.name),
        "vlan": vlan(getattr(setting, "vlan", None)),
        "binding": _BINDINGS.get(config.type),
        "ports": config.numPorts,
        "auto_expand": config.autoExpand,
        "teaming": uplink_teaming(getattr(setting, "uplinkTeamingPolicy", None)),
        "security": port_security(setting),
    }


def of_hosts(network: Any) -> Expected:
    seen = [
        group
        for host in network.host
        for group in host.config.network.portgroup
        if group.spec.name == network.name
    ]
    told = len(seen) == len(network.host) and seen
    policies = [
        (standard_teaming(group.computedPolicy), standard_security(group.computedPolicy)) for group in seen
    ]
    alike = told and all(policy == policies[0] for policy in policies)
    number = seen[0].spec.vlanId if told and len({group.spec.vlanId for group in seen}) == 1 else None
    return {
        "uplink": False,
        **dict.fromkeys(("key", "switch", "switch_uuid", "switch_name", "binding", "ports", "auto_expand")),
        "vlan": {"kind": "unknown"} if number is None else standard_vlan(number),
        "teaming": policies[0][0] if alike else None,
        "security": policies[0][1] if alike else None,
    }


def standard_vlan(number: int) -> Expected:
    if number == 4095:
        return {"kind": "trunk", "ranges": [[0, 4094]]}
    return {"kind": "id", "id": number} if number else {"kind": "none"}


def vlan(spec: Any) -> Expected:
    if isinstance(spec, _DVS.TrunkVlanSpec):
        return {"kind": "trunk", "ranges": [[span.start, span.end] for span in spec.vlanId]}
    if isinstance(spec, _DVS.PvlanSpec):
        return {"kind": "private", "id": spec.pvlanId}
    return standard_vlan(spec.vlanId) if isinstance(spec, _DVS.VlanIdSpec) else {"kind": "unknown"}


def uplink_teaming(policy: Any) -> Expected | None:
    if policy is None or policy.policy is None or not policy.policy.value:
        return None
    order, beacon = policy.uplinkPortOrder, policy.failureCriteria and policy.failureCriteria.checkBeacon
    return {
        "policy": policy.policy.value,
        "active": list(order.activeUplinkPort) if order else [],
        "standby": list(order.standbyUplinkPort) if order else [],
        "check_beacon": beacon.value if beacon else None,
        "notify_switches": policy.notifySwitches.value if policy.notifySwitches else None,
        "rolling_order": policy.rollingOrder.value if policy.rollingOrder else None,
    }


def port_security(setting: Any) -> Expected | None:
    policy = getattr(setting, "securityPolicy", None)
    if getattr(setting, "macManagementPolicy", None) is not None or policy is None:
        return standard_security(
            type("Policy", (), {"security": getattr(setting, "macManagementPolicy", None)})
        )
    return {
        "promiscuous": policy.allowPromiscuous.value if policy.allowPromiscuous else None,
        "mac_changes": policy.macChanges.value if policy.macChanges else None,
        "forged_transmits": policy.forgedTransmits.value if policy.forgedTransmits else None,
    }

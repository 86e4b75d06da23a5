"""What is watched: property paths by object type, and the field each one fills.

Leaf paths only: one value pyVmomi can't read spoils the answer it is in, and a whole `runtime` or `summary`
changes with every statistic. The order of the groups is the order in which vCenters answer: what contains
comes before what is contained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pyVmomi import vim

from services.collector.domain.spelling import object_name, reservation_in, uuid_or_none
from services.collector.domain.state import ObjectKind
from services.collector.vsphere import translating_machines as machines
from services.collector.vsphere import translating_networks as networks
from services.collector.vsphere.translating_machines import moid, moids
from shared.model.identifiers import RESERVATION_OPTION


class Field(NamedTuple):
    """The field a path fills, and how its value becomes plain. `essential`: an array that is never empty."""

    name: str
    convert: Callable[[Any], object]
    essential: bool = False


class Group(NamedTuple):
    """Object types that are watched by one filter."""

    name: str
    types: tuple[Any, ...]


def _as_is(value: Any) -> object:
    return value


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _name(value: Any) -> str | None:
    return object_name(value) if value else None


_PLACE = {"name": Field("name", _name), "parent": Field("parent", moid)}
_COMPUTE = {**_PLACE, "resourcePool": Field("resource_pool", moid)}
_HOST = {
    "name": Field("name", _text),
    "parent": Field("parent", moid),
    "runtime.connectionState": Field("connection", _text),
    "runtime.inMaintenanceMode": Field("maintenance", _as_is),
    "hardware.systemInfo.uuid": Field("uuid", _text),
    "summary.hardware.numCpuCores": Field("cpu_cores", _as_is),
    "summary.hardware.cpuMhz": Field("cpu_mhz", _as_is),
    "summary.hardware.memorySize": Field("memory_bytes", _as_is),
    "config.network.pnic": Field("pnics", networks.pnics, essential=True),
    "config.network.vswitch": Field("vswitches", networks.vswitches),
    "config.network.proxySwitch": Field("proxy_switches", networks.proxy_switches),
    "config.network.portgroup": Field("portgroups", networks.host_ports),
    "config.network.vnic": Field("vmks", networks.vmks),
    "config.virtualNicManagerInfo.netConfig": Field("management_vmks", networks.management_vmks),
    "network": Field("networks", moids),
}
_SWITCH = {
    "name": Field("name", _name),
    "parent": Field("parent", moid),
    "uuid": Field("uuid", _text),
    "summary.hostMember": Field("hosts", moids),
    "config.uplinkPortPolicy": Field("uplinks", networks.uplinks),
    "config.uplinkPortgroup": Field("uplink_portgroups", moids),
    "config.maxMtu": Field("max_mtu", _as_is),
    "config.pvlanConfig": Field("pvlans", networks.pvlans),
    "config.lacpGroupConfig": Field("lags", networks.lags),
}
_NETWORK = {
    "name": Field("name", _name),
    "parent": Field("parent", moid),
    "host": Field("hosts", moids),
}
_OPAQUE = {**_NETWORK, "summary": Field("opaque", networks.opaque)}
_PORTGROUP = {
    **_NETWORK,
    "key": Field("key", _text),
    "config.distributedVirtualSwitch": Field("switch", moid),
    "config.defaultPortConfig": Field("setting", networks.setting),
    "config.type": Field("binding", _text),
    "config.numPorts": Field("ports", _as_is),
    "config.autoExpand": Field("auto_expand", _as_is),
    "config.uplink": Field("uplink", _as_is),
    "config.backingType": Field("backing", _text),
    "config.logicalSwitchUuid": Field("logical_switch", _text),
    "config.segmentId": Field("segment", _text),
    "config.transportZoneUuid": Field("transport_zone", _text),
}
OPTION_PATH = f'config.extraConfig["{RESERVATION_OPTION}"]'
"""One option of a VM: all of `config.extraConfig` is longer than the VM's devices."""
_VM = {
    "name": Field("name", _name),
    "config.instanceUuid": Field("instance_uuid", uuid_or_none),
    "config.uuid": Field("bios_uuid", uuid_or_none),
    "config.template": Field("template", _as_is),
    "config.annotation": Field("reservation", reservation_in),
    OPTION_PATH: Field("option_reservation", machines.reservation),
    "config.managedBy": Field("placeholder", machines.placeholder),
    "config.ftInfo": Field("ft_secondary", machines.ft_secondary),
    "config.hardware.device": Field("cards", machines.cards, essential=True),
    "config.hardware.numCPU": Field("cpus", _as_is),
    "config.hardware.memoryMB": Field("memory_mb", _as_is),
    "runtime.host": Field("host", moid),
    "resourcePool": Field("pool", moid),
    "runtime.powerState": Field("power", _text),
    "runtime.connectionState": Field("connection", _text),
    "guest.toolsRunningStatus": Field("tools", _text),
    "guest.hostName": Field("hostname", _text),
    "guest.net": Field("guest_nics", machines.guest_nics),
    "guest.ipStack": Field("guest_stacks", machines.guest_stacks),
    "guest.ipAddress": Field("guest_address", _text),
}


class Watched(NamedTuple):
    """An object type: which kind it is to us, and its fields by path."""

    kind: ObjectKind
    type: str
    fields: Mapping[str, Field]


WATCHED: Mapping[str, Watched] = MappingProxyType(
    {
        "Folder": Watched("place", "folder", _PLACE),
        "Datacenter": Watched("place", "datacenter", _PLACE),
        "ComputeResource": Watched("place", "compute", _COMPUTE),
        "ClusterComputeResource": Watched("place", "cluster", _COMPUTE),
        "ResourcePool": Watched("place", "pool", _PLACE),
        "VirtualApp": Watched("place", "pool", _PLACE),
        "HostSystem": Watched("host", "", _HOST),
        "DistributedVirtualSwitch": Watched("switch", "", _SWITCH),
        "VmwareDistributedVirtualSwitch": Watched("switch", "", _SWITCH),
        "Network": Watched("portgroup", "standard", _NETWORK),
        "OpaqueNetwork": Watched("portgroup", "opaque", _OPAQUE),
        "DistributedVirtualPortgroup": Watched("portgroup", "distributed", _PORTGROUP),
        "VirtualMachine": Watched("vm", "", _VM),
    }
)
"""By the type's name in the API."""

GROUPS: tuple[Group, ...] = (
    Group("places", (vim.Folder, vim.Datacenter, vim.ComputeResource, vim.ClusterComputeResource)),
    Group("pools", (vim.ResourcePool, vim.VirtualApp)),
    Group("hosts", (vim.HostSystem,)),
    Group("switches", (vim.DistributedVirtualSwitch, vim.dvs.VmwareDistributedVirtualSwitch)),
    Group("networks", (vim.Network, vim.OpaqueNetwork, vim.dvs.DistributedVirtualPortgroup)),
    Group("machines", (vim.VirtualMachine,)),
)

INDISPENSABLE = frozenset({"name", "config.hardware.device"})
"""Without these there is nothing to tell; any other path that a vCenter does not know is left out."""

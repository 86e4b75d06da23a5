"""What the API shows of a virtual machine."""

from __future__ import annotations

from datetime import UTC, datetime

from services.simulator.inventory.devices import devices
from services.simulator.inventory.guests import (
    customization_info,
    guest_net,
    guest_stacks,
    tools_running_status,
    tools_status,
    tools_version_status,
)
from services.simulator.inventory.machines import VirtualMachine
from services.simulator.inventory.trees import Node, Tree
from services.simulator.soap.values import AnyValue, Array, Data, Enum, Long, Typed, Value, refs

GUEST_NAMES = {
    "ubuntu64Guest": "Ubuntu Linux (64-bit)",
    "rhel9_64Guest": "Red Hat Enterprise Linux 9 (64-bit)",
    "windows2019srvNext_64Guest": "Microsoft Windows Server 2022 (64-bit)",
    "freebsd14_64Guest": "FreeBSD 14 (64-bit)",
    "otherGuest64": "Other (64-bit)",
}
_FIRST_BOOT = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
GREEN = Enum("ManagedEntityStatus", "green")


def _full_name(vm: VirtualMachine) -> str:
    return GUEST_NAMES.get(vm.guest_id, vm.guest_id)


def _reported(vm: VirtualMachine) -> bool:
    """Whether Tools speak, so that what the guest says of itself is shown."""
    return vm.guest.tools_running


def _managed_by(vm: VirtualMachine) -> Value:
    return (
        Data("ManagedByInfo", extensionKey=vm.managed_by[0], type=vm.managed_by[1]) if vm.managed_by else None
    )


def _ft_info(vm: VirtualMachine) -> Value:
    if vm.ft_role is None:
        return None
    return Typed(
        "FaultToleranceConfigInfo",
        role=vm.ft_role,
        instanceUuids=Array("string", (vm.instance_uuid,)),
        configPaths=Array("string", (_path(vm),)),
    )


def _path(vm: VirtualMachine) -> str:
    return f"[{vm.datastore.name}] {vm.directory}/{vm.directory}.vmx"


def _extra_config(vm: VirtualMachine) -> Value:
    return Array(
        "OptionValue", [Data("OptionValue", key=k, value=AnyValue(v)) for k, v in vm.extra_config.items()]
    )


def _booted(vm: VirtualMachine) -> Value:
    return (vm.booted or _FIRST_BOOT) if vm.power == "poweredOn" else None


HARDWARE: Node[VirtualMachine] = Node(
    "VirtualHardware",
    {
        "numCPU": lambda vm: vm.num_cpu,
        "numCoresPerSocket": lambda _: 1,
        "memoryMB": lambda vm: vm.memory_mb,
        "device": devices,
    },
)

CONFIG: Node[VirtualMachine] = Node(
    "VirtualMachineConfigInfo",
    {
        "changeVersion": lambda vm: str(vm.change_version),
        "modified": lambda _: _FIRST_BOOT,
        "name": lambda vm: vm.name,
        "guestFullName": _full_name,
        "version": lambda _: "vmx-21",
        "uuid": lambda vm: vm.uuid,
        "instanceUuid": lambda vm: vm.instance_uuid,
        "template": lambda vm: vm.template,
        "guestId": lambda vm: vm.guest_id,
        "alternateGuestName": lambda _: "",
        "annotation": lambda vm: vm.annotation,
        "files": lambda vm: Data("VirtualMachineFileInfo", vmPathName=_path(vm)),
        "hardware": HARDWARE,
        "extraConfig": _extra_config,
        "ftInfo": _ft_info,
        "managedBy": _managed_by,
    },
    when=lambda vm: vm.connection not in {"inaccessible", "invalid"},
)

GUEST: Node[VirtualMachine] = Node(
    "GuestInfo",
    {
        "toolsStatus": tools_status,
        "toolsVersionStatus": tools_version_status,
        "toolsVersionStatus2": tools_version_status,
        "toolsRunningStatus": tools_running_status,
        "toolsVersion": lambda vm: "12389" if vm.guest.tools_installed else "0",
        "guestId": lambda vm: vm.guest_id if _reported(vm) else None,
        "guestFamily": lambda vm: _family(vm) if _reported(vm) else None,
        "guestFullName": lambda vm: _full_name(vm) if _reported(vm) else None,
        "hostName": lambda vm: vm.guest.host_name if _reported(vm) else None,
        "ipAddress": lambda vm: vm.guest.primary_address() if _reported(vm) else None,
        "net": guest_net,
        "ipStack": guest_stacks,
        "guestState": lambda vm: "running" if _reported(vm) else "notRunning",
        "guestOperationsReady": _reported,
        "interactiveGuestOperationsReady": lambda _: False,
        "customizationInfo": customization_info,
    },
)


def _family(vm: VirtualMachine) -> str:
    return "windowsGuest" if vm.guest_id.startswith("windows") else "linuxGuest"


RUNTIME: Node[VirtualMachine] = Node(
    "VirtualMachineRuntimeInfo",
    {
        "host": lambda vm: vm.host.ref,
        "connectionState": lambda vm: Enum("VirtualMachineConnectionState", vm.connection),
        "powerState": lambda vm: Enum("VirtualMachinePowerState", vm.power),
        "faultToleranceState": lambda _: Enum("VirtualMachineFaultToleranceState", "notConfigured"),
        "toolsInstallerMounted": lambda _: False,
        "bootTime": _booted,
        "numMksConnections": lambda _: 0,
        "recordReplayState": lambda _: Enum("VirtualMachineRecordReplayState", "inactive"),
        "onlineStandby": lambda _: False,
        "consolidationNeeded": lambda _: False,
    },
)

SUMMARY: Node[VirtualMachine] = Node(
    "VirtualMachineSummary",
    {
        "vm": lambda vm: vm.ref,
        "runtime": RUNTIME,
        "guest": Node(
            "VirtualMachineGuestSummary",
            {
                "guestId": lambda vm: vm.guest_id if _reported(vm) else None,
                "guestFullName": lambda vm: _full_name(vm) if _reported(vm) else None,
                "toolsStatus": tools_status,
                "toolsVersionStatus": tools_version_status,
                "toolsVersionStatus2": tools_version_status,
                "toolsRunningStatus": tools_running_status,
                "hostName": lambda vm: vm.guest.host_name if _reported(vm) else None,
                "ipAddress": lambda vm: vm.guest.primary_address() if _reported(vm) else None,
            },
        ),
        "config": Node(
            "VirtualMachineConfigSummary",
            {
                "name": lambda vm: vm.name,
                "template": lambda vm: vm.template,
                "vmPathName": _path,
                "memorySizeMB": lambda vm: vm.memory_mb,
                "numCpu": lambda vm: vm.num_cpu,
                "numEthernetCards": lambda vm: len(vm.nics),
                "numVirtualDisks": lambda _: 1,
                "uuid": lambda vm: vm.uuid,
                "instanceUuid": lambda vm: vm.instance_uuid,
                "guestId": lambda vm: vm.guest_id,
                "guestFullName": _full_name,
                "annotation": lambda vm: vm.annotation,
                "ftInfo": _ft_info,
                "managedBy": _managed_by,
            },
        ),
        "quickStats": Node(
            "VirtualMachineQuickStats",
            {
                "overallCpuUsage": lambda vm: 120 if vm.power == "poweredOn" else 0,
                "guestMemoryUsage": lambda vm: vm.memory_mb // 10 if vm.power == "poweredOn" else 0,
                "guestHeartbeatStatus": lambda _: GREEN,
                "compressedMemory": lambda _: Long(0),
            },
        ),
        "overallStatus": lambda _: GREEN,
    },
)

MACHINE: Tree[VirtualMachine] = Tree(
    "VirtualMachine",
    {
        "parent": lambda vm: vm.parent.ref if vm.parent else None,
        "overallStatus": lambda _: GREEN,
        "configStatus": lambda _: GREEN,
        "name": lambda vm: vm.name,
        "config": CONFIG,
        "resourcePool": lambda vm: vm.pool.ref if vm.pool else None,
        "runtime": RUNTIME,
        "guest": GUEST,
        "summary": SUMMARY,
        "datastore": lambda vm: refs([vm.datastore.ref]),
        "network": lambda vm: refs([network.ref for network in vm.networks()]),
        "guestHeartbeatStatus": lambda _: GREEN,
    },
)

"""From an answer's NICs and disks to vSphere's device changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from services.cli.provisioning.places import Place
from shared.events.placement import Adapter, Backing, Disk, PlacedNic
from shared.runtime.errors import PermanentError

FIRST_NIC_KEY = -101
FIRST_DISK_KEY = -201
CONTROLLER_KEY = -200
"""Negative keys are placeholders: vCenter gives the devices theirs."""
SLOTS = (*range(7), *range(8, 16))
"""Unit numbers on a SCSI controller; 7 is its own."""

_device: Any = vim.vm.device
_vim: Any = vim
_CARDS: dict[Adapter, Any] = {
    "vmxnet3": _device.VirtualVmxnet3,
    "vmxnet2": _device.VirtualVmxnet2,
    "vmxnet": _device.VirtualVmxnet,
    "e1000e": _device.VirtualE1000e,
    "e1000": _device.VirtualE1000,
    "pcnet32": _device.VirtualPCNet32,
    "sriov": _device.VirtualSriovEthernetCard,
}


def added_nics(nics: Sequence[PlacedNic]) -> list[Any]:
    """The answered NICs, in their order. Raises `PermanentError` for one that can't be connected."""
    return [_added(_card(nic)) for nic in nics]


def removed_nics(devices: Sequence[Any]) -> list[Any]:
    """Takes away the network cards among a template's devices: their networks are others' business."""
    return [
        _device.VirtualDeviceSpec(operation="remove", device=device)
        for device in devices
        if isinstance(device, _device.VirtualEthernetCard)
    ]


def added_disks(disks: Sequence[Disk], devices: Sequence[Any], place: Place) -> list[Any]:
    """Disks beside what `devices` has: on its SCSI controller, or on one of their own."""
    if not disks:
        return []
    controller = next((d for d in devices if isinstance(d, _device.VirtualSCSIController)), None)
    key = CONTROLLER_KEY if controller is None else controller.key
    taken = {device.unitNumber for device in devices if device.controllerKey == key}
    slots = [slot for slot in SLOTS if slot not in taken]
    if len(disks) > len(slots):
        raise PermanentError(
            f"{len(disks)} disks: one SCSI controller has {len(slots)} places left", code="disks"
        )
    changes = [] if controller is not None else [_added(_controller())]
    for number, (disk, slot) in enumerate(zip(disks, slots, strict=False)):
        change = _added(_disk(disk, FIRST_DISK_KEY - number, key, slot, place))
        change.fileOperation = "create"
        changes.append(change)
    return changes


def _added(device: Any) -> Any:
    return _device.VirtualDeviceSpec(operation="add", device=device)


def _controller() -> Any:
    return _device.ParaVirtualSCSIController(key=CONTROLLER_KEY, busNumber=0, sharedBus="noSharing")


def _disk(disk: Disk, key: int, controller: int, slot: int, place: Place) -> Any:
    store = place.datastore(disk.datastore)
    backing = _device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{store.name}]" if store else "", diskMode="persistent", thinProvisioned=disk.thin
    )
    return _device.VirtualDisk(
        key=key,
        controllerKey=controller,
        unitNumber=slot,
        capacityInKB=disk.size_gb * 1024 * 1024,
        backing=backing,
    )


def _card(nic: PlacedNic) -> Any:
    card = _CARDS[nic.adapter](
        key=FIRST_NIC_KEY - nic.index,
        backing=_backing(nic),
        connectable=_device.VirtualDevice.ConnectInfo(
            startConnected=True, allowGuestControl=True, connected=True
        ),
        addressType="generated" if nic.mac is None else "manual",
        macAddress=nic.mac,
        wakeOnLanEnabled=True,
    )
    if nic.adapter == "sriov" and nic.physical_function is not None:
        card.sriovBacking = _sriov(nic.physical_function)
    return card


def _sriov(physical_function: str) -> Any:
    # vSphere wants all fields; of a physical function it reads the id.
    function = _device.VirtualPCIPassthrough.DeviceBackingInfo(
        id=physical_function, deviceId="0", systemId="", vendorId=0, deviceName=""
    )
    return _device.VirtualSriovEthernetCard.SriovBackingInfo(physicalFunctionBacking=function)


def _backing(nic: PlacedNic) -> Any:
    card, backing = _device.VirtualEthernetCard, nic.backing
    if backing is None:
        raise PermanentError(
            f"NIC {nic.index} cannot be connected: what port group {nic.wire.name} ({nic.wire.network}, "
            f"{nic.wire.kind}) takes is not known",
            code="backing_unknown",
        )
    if backing.type == "VirtualEthernetCardNetworkBackingInfo":
        return card.NetworkBackingInfo(deviceName=backing.device_name, network=_vim.Network(backing.network))
    if backing.type == "VirtualEthernetCardOpaqueNetworkBackingInfo":
        return card.OpaqueNetworkBackingInfo(
            opaqueNetworkId=backing.opaque_network_id, opaqueNetworkType=backing.opaque_network_type
        )
    return card.DistributedVirtualPortBackingInfo(port=_port(backing))


def _port(backing: Backing) -> Any:
    return _vim.dvs.PortConnection(switchUuid=backing.switch_uuid, portgroupKey=backing.portgroup_key)

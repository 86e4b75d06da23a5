"""From an answer to vSphere's configuration of the VM."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from shared.events.placement import PlacedNic, VmCreatePlaced
from shared.runtime.errors import PermanentError

GUEST_IDS = {"linux": "otherLinux64Guest", "windows": "windows9Server64Guest"}
FIRST_KEY = -101
"""Negative keys are placeholders: vCenter gives the devices theirs."""

_vim: Any = vim
_device: Any = vim.vm.device


def config_spec(placed: VmCreatePlaced, datastore: str | None) -> Any:
    """The VM as answered: name, size, annotation and NICs. `datastore` is where its files go, if named."""
    files = _vim.vm.FileInfo(vmPathName=f"[{datastore}]") if datastore is not None else None
    return _vim.vm.ConfigSpec(
        name=placed.name,
        numCPUs=placed.cpus,
        memoryMB=placed.memory_mb,
        annotation=placed.annotation,
        guestId=GUEST_IDS[placed.guest.os],
        files=files,
        deviceChange=[_add(nic) for nic in placed.nics],
    )


def _add(nic: PlacedNic) -> Any:
    card = _device.VirtualVmxnet3(
        key=FIRST_KEY - nic.index,
        backing=_backing(nic),
        connectable=_device.VirtualDevice.ConnectInfo(
            startConnected=True, allowGuestControl=True, connected=True
        ),
        addressType="generated" if nic.mac is None else "manual",
        macAddress=nic.mac,
        wakeOnLanEnabled=True,
    )
    return _device.VirtualDeviceSpec(operation="add", device=card)


def _backing(nic: PlacedNic) -> Any:
    wire, card = nic.wire, _device.VirtualEthernetCard
    if wire.kind == "standard":
        return card.NetworkBackingInfo(deviceName=wire.name, network=_vim.Network(wire.network))
    if wire.kind == "distributed" and wire.switch_uuid and wire.portgroup_key:
        return card.DistributedVirtualPortBackingInfo(
            port=_vim.dvs.PortConnection(switchUuid=wire.switch_uuid, portgroupKey=wire.portgroup_key)
        )
    raise PermanentError(
        f"NIC {nic.index} cannot be connected: port group {wire.name} ({wire.network}) is {wire.kind} "
        "and its switch is not known",
        code="backing_unknown",
    )

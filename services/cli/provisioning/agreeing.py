"""Whether a clone is what was answered, and what has to change where it is not.

A vCenter may leave parts of a CloneSpec aside (vcsim: host, size, annotation), but the answered addresses
are good on the answered port groups alone: a clone is looked at before it is powered on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from services.cli.provisioning.connection import VcenterConnection
from services.cli.provisioning.devices import added_nics, removed_nics
from services.cli.provisioning.places import Place
from services.cli.provisioning.specs import options
from services.cli.provisioning.tasks import finished, read
from shared.events.placement import PlacedNic, VmCreatePlaced

_vim: Any = vim
_Card: Any = vim.vm.device.VirtualEthernetCard


async def agree(connection: VcenterConnection, vm: Any, placed: VmCreatePlaced, place: Place) -> None:
    """Make a clone what was answered: its host, size, annotation and NICs."""
    if (await read(connection, vm, "runtime.host"))._moId != placed.host:
        spec = _vim.vm.RelocateSpec(host=place.host, pool=place.pool)
        await finished(connection, await connection.call(lambda: vm.RelocateVM_Task(spec)))
    change = _vim.vm.ConfigSpec()
    if await read(connection, vm, "config.annotation") != placed.annotation:
        change.annotation = placed.annotation
        change.extraConfig = options(placed)
    if await read(connection, vm, "config.hardware.numCPU") != placed.cpus:
        change.numCPUs = placed.cpus
    if await read(connection, vm, "config.hardware.memoryMB") != placed.memory_mb:
        change.memoryMB = placed.memory_mb
    devices = await read(connection, vm, "config.hardware.device") or []
    if not connected_as_answered(devices, placed.nics):
        change.deviceChange = [*removed_nics(devices), *added_nics(placed.nics)]
    if any(value for _, value in vars(change).items()):
        await finished(connection, await connection.call(lambda: vm.ReconfigVM_Task(change)))


def connected_as_answered(devices: Sequence[Any], nics: Sequence[PlacedNic]) -> bool:
    """Are the network cards among `devices` the answered ones, in their order?"""
    cards = [device for device in devices if isinstance(device, _Card)]
    return len(cards) == len(nics) and all(
        (nic.mac is None or str(card.macAddress).lower() == nic.mac) and _network(card) == _answered(nic)
        for card, nic in zip(cards, nics, strict=True)
    )


def _answered(nic: PlacedNic) -> str | None:
    """What the card of an answered NIC would be connected to, as `_network` says it."""
    opaque = nic.backing.opaque_network_id if nic.backing is not None else None
    return opaque or nic.wire.network


def _network(card: Any) -> str | None:
    port = getattr(card.backing, "port", None)
    if port is not None:
        return str(port.portgroupKey)
    opaque = getattr(card.backing, "opaqueNetworkId", None)
    if opaque is not None:
        return str(opaque)
    network = getattr(card.backing, "network", None)
    return None if network is None else str(network._moId)

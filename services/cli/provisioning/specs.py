"""From an answer to vSphere's specification of the VM: made from nothing, or cloned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from services.cli.provisioning.devices import added_disks, added_nics, removed_nics
from services.cli.provisioning.places import Place
from shared.events.placement import VmCreatePlaced
from shared.model.identifiers import RESERVATION_OPTION

GUEST_IDS = {"linux": "otherLinux64Guest", "windows": "windows9Server64Guest"}

_vim: Any = vim


def config_spec(placed: VmCreatePlaced, place: Place) -> Any:
    """The VM as answered: name, size, annotation, options, NICs and disks."""
    store = place.datastore(_first_datastore(placed))
    return _vim.vm.ConfigSpec(
        name=placed.name,
        numCPUs=placed.cpus,
        memoryMB=placed.memory_mb,
        annotation=placed.annotation,
        extraConfig=options(placed),
        guestId=GUEST_IDS[placed.guest.os],
        files=_vim.vm.FileInfo(vmPathName=f"[{store.name}]") if store is not None else None,
        deviceChange=[*added_nics(placed.nics), *added_disks(placed.disks, (), place)],
    )


def clone_spec(placed: VmCreatePlaced, place: Place, devices: Sequence[Any]) -> Any:
    """A clone of a template with `devices`: of the answered size, with the answered NICs instead of its own.

    Its disks stay; the answered ones come in addition. It is left off, for the guest to be customized.
    """
    store = place.datastore(_first_datastore(placed))
    return _vim.vm.CloneSpec(
        location=_vim.vm.RelocateSpec(
            host=place.host, pool=place.pool, datastore=store.object if store is not None else None
        ),
        # All in one task: seen with the template's NICs, the VM could be taken for another.
        config=_vim.vm.ConfigSpec(
            numCPUs=placed.cpus,
            memoryMB=placed.memory_mb,
            annotation=placed.annotation,
            extraConfig=options(placed),
            deviceChange=[
                *removed_nics(devices),
                *added_nics(placed.nics),
                *added_disks(placed.disks, devices, place),
            ],
        ),
        powerOn=False,
        template=False,
    )


def options(placed: VmCreatePlaced) -> list[Any]:
    """The extraConfig of an answered VM. A clone has its source's: what that names is replaced."""
    return [_vim.option.OptionValue(key=RESERVATION_OPTION, value=str(placed.reservation))]


def _first_datastore(placed: VmCreatePlaced) -> str | None:
    return next((disk.datastore for disk in placed.disks if disk.datastore), None)

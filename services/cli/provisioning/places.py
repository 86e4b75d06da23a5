"""Where in the vCenter the VM of an answer is made: folder, resource pool, datastores."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from services.cli.provisioning.connection import VcenterConnection
from services.cli.provisioning.tasks import ProvisioningFailed, read
from shared.events.placement import VmCreatePlaced

_HostSystem: Any = vim.HostSystem
_ResourcePool: Any = vim.ResourcePool
_Datacenter: Any = vim.Datacenter
_Folder: Any = vim.Folder
_FOLDER_ID = re.compile(r"(group|folder)-[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore that the host reaches; `free` in bytes."""

    name: str
    free: int
    object: Any


@dataclass(frozen=True, slots=True)
class Place:
    """Managed objects. `datastores` are those the host can write to, the one with the most room first."""

    host: Any
    pool: Any
    folder: Any
    datastores: tuple[Datastore, ...]

    def datastore(self, name: str | None) -> Datastore | None:
        """The datastore of this name, or the one with the most room; None where the host shows none at all.

        Raises `ProvisioningFailed` when the host does not reach the one that is named.
        """
        if name is None:
            return self.datastores[0] if self.datastores else None
        found = next((store for store in self.datastores if store.name == name), None)
        if found is None:
            reached = ", ".join(store.name for store in self.datastores) or "none"
            raise ProvisioningFailed(
                f"the host does not reach datastore {name!r}; it reaches {reached}", code="datastore_unknown"
            )
        return found


async def find_place(connection: VcenterConnection, placed: VmCreatePlaced) -> Place:
    """Where the answer says. Raises `ProvisioningFailed` naming what the vCenter does not have."""
    host = connection.object(_HostSystem, placed.host)
    return Place(
        host,
        await _pool(connection, placed, host),
        await _folder(connection, placed, host),
        await _datastores(connection, host),
    )


async def _folder(connection: VcenterConnection, placed: VmCreatePlaced, host: Any) -> Any:
    """The folder of the answer, by id or by its path below the datacenter's VMs; by default their root."""
    if placed.folder is not None and _FOLDER_ID.fullmatch(placed.folder):
        with contextlib.suppress(ProvisioningFailed):
            folder = connection.object(_Folder, placed.folder)
            # Asked for its name, an object that is not there says so: it was no id.
            await read(connection, folder, "name")
            return folder
    above = connection.object(_Datacenter, placed.datacenter) if placed.datacenter else host
    while above is not None and not isinstance(above, _Datacenter):
        above = await read(connection, above, "parent")
    folder = await read(connection, above, "vmFolder") if above is not None else None
    if folder is None:
        raise ProvisioningFailed(f"host {placed.host_name} is in no datacenter", code="datacenter_unknown")
    for name in (placed.folder or "").strip("/").split("/"):
        folder = await _below(connection, folder, name) if name else folder
    return folder


async def _below(connection: VcenterConnection, folder: Any, name: str) -> Any:
    for child in await read(connection, folder, "childEntity") or []:
        if isinstance(child, _Folder) and await read(connection, child, "name") == name:
            return child
    raise ProvisioningFailed(f"the datacenter has no VM folder {name!r} there", code="folder_unknown")


async def _pool(connection: VcenterConnection, placed: VmCreatePlaced, host: Any) -> Any:
    """The resource pool of the answer, else the root pool of the host's compute resource."""
    if placed.resource_pool is not None:
        return connection.object(_ResourcePool, placed.resource_pool)
    parent = await read(connection, host, "parent")
    return await read(connection, parent, "resourcePool")


async def _datastores(connection: VcenterConnection, host: Any) -> tuple[Datastore, ...]:
    found: list[Datastore] = []
    for datastore in await read(connection, host, "datastore") or []:
        with contextlib.suppress(ProvisioningFailed):
            name = await read(connection, datastore, "name")
            if name is not None and await read(connection, datastore, "summary.accessible") is not False:
                free = await read(connection, datastore, "summary.freeSpace")
                found.append(Datastore(str(name), int(free or 0), datastore))
    return tuple(sorted(found, key=lambda store: (-store.free, store.name)))

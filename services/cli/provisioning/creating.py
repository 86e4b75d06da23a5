"""Creating the VM of an answer: made, told its addresses, powered on; or taken away again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from pyVmomi import vim

from services.cli.provisioning.connection import VcenterConnection
from services.cli.provisioning.customizing import specification
from services.cli.provisioning.specs import config_spec
from services.cli.provisioning.tasks import ProvisioningFailed, finished, read
from shared.events.placement import VmCreatePlaced
from shared.runtime.errors import PatchbayError

log = structlog.get_logger(__name__)

Progress = Callable[[str], None]
"""Told in a few words what is being done."""

_HostSystem: Any = vim.HostSystem
_ResourcePool: Any = vim.ResourcePool
_Datacenter: Any = vim.Datacenter


async def create_vm(
    connection: VcenterConnection, placed: VmCreatePlaced, *, on_progress: Progress | None = None
) -> str:
    """Create the VM that `placed` describes, customize its guest and power it on; its managed object id.

    The VM has no disk: this shows that an answer is complete, it installs no operating system. Raises
    `ProvisioningFailed` with the vCenter's reason, `VcenterOutOfSight` when it goes away. Whatever had been
    made by then is removed, also when the caller is cancelled.
    """
    tell = on_progress or _nothing
    host = connection.object(_HostSystem, placed.host)
    folder, pool = await _folder(connection, placed, host), await _pool(connection, placed, host)
    spec = config_spec(placed, await _datastore(connection, host))
    tell(f"creating {placed.name} on {placed.host_name}")
    # Shielded: a task that runs in the vCenter ends whether we wait or not, and its VM must be known.
    creation = asyncio.ensure_future(_create(connection, folder, spec, pool, host))
    vm: Any = None
    try:
        vm = await asyncio.shield(creation)
        tell("customizing the guest")
        wanted = specification(placed)
        await finished(connection, await connection.call(lambda: vm.CustomizeVM_Task(wanted)))
        tell("powering on")
        await finished(connection, await connection.call(vm.PowerOnVM_Task))
    except BaseException:
        await asyncio.shield(_remove(connection, creation))
        raise
    return str(vm._moId)


async def _create(connection: VcenterConnection, folder: Any, spec: Any, pool: Any, host: Any) -> Any:
    return await finished(
        connection, await connection.call(lambda: folder.CreateVM_Task(config=spec, pool=pool, host=host))
    )


async def _remove(connection: VcenterConnection, creation: asyncio.Future[Any]) -> None:
    """Take away what was made. Failing at that is said, but does not hide why it was to be done."""
    with contextlib.suppress(PatchbayError):
        vm = await creation
        try:
            if await read(connection, vm, "runtime.powerState") == "poweredOn":
                await finished(connection, await connection.call(vm.PowerOffVM_Task))
            await finished(connection, await connection.call(vm.Destroy_Task))
        except PatchbayError as error:
            log.warning("provisioning.left_behind", vm=vm._moId, detail=str(error))


async def _folder(connection: VcenterConnection, placed: VmCreatePlaced, host: Any) -> Any:
    """The VM folder of the host's datacenter."""
    above = connection.object(_Datacenter, placed.datacenter) if placed.datacenter else host
    while above is not None and not isinstance(above, _Datacenter):
        above = await read(connection, above, "parent")
    folder = await read(connection, above, "vmFolder") if above is not None else None
    if folder is None:
        raise ProvisioningFailed(f"host {placed.host_name} is in no datacenter", code="datacenter_unknown")
    return folder


async def _pool(connection: VcenterConnection, placed: VmCreatePlaced, host: Any) -> Any:
    """The resource pool of the answer, else the root pool of the host's compute resource."""
    if placed.resource_pool is not None:
        return connection.object(_ResourcePool, placed.resource_pool)
    parent = await read(connection, host, "parent")
    return await read(connection, parent, "resourcePool")


async def _datastore(connection: VcenterConnection, host: Any) -> str | None:
    """The name of the host's accessible datastore with the most room; None where it shows none."""
    found: list[tuple[int, str]] = []
    for datastore in await read(connection, host, "datastore") or []:
        with contextlib.suppress(ProvisioningFailed):
            name = await read(connection, datastore, "name")
            if name is not None and await read(connection, datastore, "summary.accessible") is not False:
                free = await read(connection, datastore, "summary.freeSpace")
                found.append((int(free or 0), str(name)))
    return max(found)[1] if found else None


def _nothing(_: str) -> None:
    """Nobody listens."""

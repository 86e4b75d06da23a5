"""Creating the VM of an answer: made or cloned, told its addresses, powered on; or taken away again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pyVmomi import vim

from services.cli.provisioning.agreeing import agree
from services.cli.provisioning.connection import VcenterConnection
from services.cli.provisioning.customizing import specification
from services.cli.provisioning.places import Place, find_place
from services.cli.provisioning.specs import clone_spec, config_spec
from services.cli.provisioning.tasks import finished, read
from shared.events.placement import VmCreatePlaced
from shared.runtime.errors import PatchbayError

log = structlog.get_logger(__name__)

Progress = Callable[[str, int], None]
"""Told in a few words what is being done, and how many per cent are behind."""
MADE, CUSTOMIZED = 70, 85
"""Per cent that are behind when the VM is there, and when its guest is told."""

_VirtualMachine: Any = vim.VirtualMachine


async def create_vm(
    connection: VcenterConnection,
    placed: VmCreatePlaced,
    *,
    template: str | None = None,
    on_progress: Progress | None = None,
) -> str:
    """Create the VM that `placed` describes, customize its guest and power it on; its managed object id.

    `template` is the managed object id of a template or VM to clone. Without one the VM has the disks of the
    answer and no operating system. Raises `ProvisioningFailed` with the vCenter's reason, `VcenterOutOfSight`
    when it goes away. Whatever had been made by then is removed, also when the caller is cancelled.
    """
    tell = on_progress or _nothing
    tell(f"preparing {placed.name}", 0)
    wanted = specification(placed)
    place = await find_place(connection, placed)
    verb = "creating" if template is None else "cloning"

    def on_percent(percent: int) -> None:
        tell(f"{verb} {placed.name} on {placed.host_name}", percent * MADE // 100)

    on_percent(0)
    starting = (
        _making(connection, placed, place)
        if template is None
        else _cloning(connection, placed, place, template)
    )
    # Shielded: a task that runs in the vCenter ends whether we wait or not, and its VM must be known.
    creation = asyncio.ensure_future(_followed(connection, starting, on_percent))
    try:
        vm = await asyncio.shield(creation)
        if template is not None:
            await agree(connection, vm, placed, place)
        tell(f"customizing the guest of {placed.name}", MADE)
        await finished(connection, await connection.call(lambda: vm.CustomizeVM_Task(wanted)))
        tell(f"powering on {placed.name}", CUSTOMIZED)
        await finished(connection, await connection.call(vm.PowerOnVM_Task))
    except BaseException:
        await asyncio.shield(_remove(connection, creation))
        raise
    tell(f"created {placed.name}", 100)
    return str(vm._moId)


async def _making(connection: VcenterConnection, placed: VmCreatePlaced, place: Place) -> Any:
    """The task that makes the VM from nothing."""
    spec = config_spec(placed, place)
    return await connection.call(
        lambda: place.folder.CreateVM_Task(config=spec, pool=place.pool, host=place.host)
    )


async def _cloning(connection: VcenterConnection, placed: VmCreatePlaced, place: Place, template: str) -> Any:
    """The task that clones it."""
    source = connection.object(_VirtualMachine, template)
    spec = clone_spec(placed, place, await read(connection, source, "config.hardware.device") or [])
    return await connection.call(
        lambda: source.CloneVM_Task(folder=place.folder, name=placed.name, spec=spec)
    )


async def _followed(
    connection: VcenterConnection, starting: Awaitable[Any], on_percent: Callable[[int], None]
) -> Any:
    """The VM that the task made."""
    return await finished(connection, await starting, on_percent)


async def _remove(connection: VcenterConnection, creation: asyncio.Future[Any]) -> None:
    """Take away what was made. Failing at that is said, but does not hide why it was to be done."""
    with contextlib.suppress(PatchbayError):
        vm = await creation
        try:
            if await read(connection, vm, "runtime.powerState") == "poweredOn":
                await finished(connection, await connection.call(vm.PowerOffVM_Task))
            await finished(connection, await connection.call(vm.Destroy_Task))
        except PatchbayError as error:
            log.error("provisioning.left_behind", vm=vm._moId, detail=str(error))  # noqa: TRY400  no defect of ours


def _nothing(_: str, __: int) -> None:
    """Nobody listens."""

"""Waiting for vSphere tasks, by their state alone: a task read whole breaks on what pyVmomi can't decode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyVmomi import vmodl

from shared.runtime.errors import PermanentError

if TYPE_CHECKING:
    from services.cli.provisioning.connection import VcenterConnection

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
PATIENCE = 300.0
"""Seconds that a task may take without getting on."""

_query: Any = vmodl.query.PropertyCollector


class ProvisioningFailed(PermanentError):
    """The vCenter would not do it; what had been made was removed again."""

    @classmethod
    def of(cls, fault: Any) -> ProvisioningFailed:
        """The error for a vSphere fault."""
        kind = type(fault).__name__.rpartition(".")[2]
        message = getattr(fault, "msg", None) or "no message"
        return cls(f"the vCenter refused: {kind}: {message}", code="vsphere_fault")


async def finished(
    connection: VcenterConnection, task: Any, on_percent: Callable[[int], None] | None = None
) -> Any:
    """The result of a task once it succeeded.

    Raises `ProvisioningFailed` when it did not, or has not got on for `PATIENCE`.
    """
    pause, waited, behind = FIRST_PAUSE, 0.0, 0
    while True:
        state = await read(connection, task, "info.state")
        if state == "success":
            return await read(connection, task, "info.result")
        if state == "error":
            raise ProvisioningFailed.of(await read(connection, task, "info.error"))
        percent = int(await read(connection, task, "info.progress") or 0)
        if percent > behind:
            behind, waited = percent, 0.0
            if on_percent is not None:
                on_percent(min(percent, 100))
        if waited >= PATIENCE:
            raise ProvisioningFailed(
                f"task {task._moId} is {state} {PATIENCE:.0f} s after its last progress", code="task_slow"
            )
        await asyncio.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def read(connection: VcenterConnection, managed: Any, path: str) -> Any:
    """One property of a managed object; None when it is not set."""
    spec = _query.FilterSpec(
        objectSet=[_query.ObjectSpec(obj=managed)],
        propSet=[_query.PropertySpec(type=type(managed), pathSet=[path])],
    )
    answer = await connection.call(
        lambda: connection.collector.RetrievePropertiesEx([spec], _query.RetrieveOptions())
    )
    found = [item.val for content in (answer.objects if answer else []) for item in content.propSet]
    return found[0] if found else None

"""Operators' commands about vCenters: noted in the registry, where the watchers find them, and answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from services.collector import registry, wishes
from services.collector.registry import Vcenter
from shared.audit.recording import record
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.commands import (
    CommandReplied,
    Complaint,
    VcenterPause,
    VcenterReleaseBrake,
    VcenterResume,
    VcenterResync,
)
from shared.events.envelope import event_id, wrap
from shared.runtime.consuming import Received
from shared.runtime.errors import PermanentError
from shared.runtime.publishing import publish, reply
from shared.store.pool import Pool, transaction

log = structlog.get_logger(__name__)


class Commands:
    """Handles what comes through the queue of commands. Each of them may come twice: it only sets a wish."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    async def handle(self, batch: Sequence[Received]) -> None:
        """Carry out a batch, in order. Mistakes of the sender are answered, not raised."""
        for received in batch:
            answer = await self._carry_out(received.envelope.data)
            envelope = wrap(
                answer,
                source="collector",
                time=datetime.now(UTC),
                id=event_id(answer, received.envelope.id),
                cause=received.envelope,
            )
            async with transaction(self._pool) as conn:
                await record(conn, received.envelope, "collector", answer)
            await publish(self._bus, [envelope])
            await reply(self._bus, received, envelope)

    async def _carry_out(self, command: Event) -> CommandReplied:
        try:
            vcenter, details = await self._order(command)
        except PermanentError as error:
            message = f"{error}; {error.hint}" if error.hint else str(error)
            field = "vcenter" if error.code.startswith(("vcenter", "brake")) else error.code.partition("_")[0]
            complaint = Complaint(code=error.code, message=message, field=field)
            return CommandReplied(command=command.TYPE, complaint=complaint)
        log.info("command", command=command.TYPE, vcenter=vcenter.name, **details)
        identity = str(vcenter.instance_uuid or vcenter.id)
        result = {"vcenter": identity, "name": vcenter.name, "epoch": vcenter.epoch, **details}
        return CommandReplied(command=command.TYPE, result=result)

    async def _order(self, command: Event) -> tuple[Vcenter, dict[str, str]]:
        """Note what is wanted; the vCenter as it stands now, and what else there is to say."""
        match command:
            case VcenterResync(vm=None, datacenter=None):
                return await registry.request_resync(self._pool, command.vcenter), {}
            case VcenterResync():
                vcenter, wish = await wishes.request_reread(
                    self._pool, command.vcenter, vm=command.vm, datacenter=command.datacenter
                )
                return vcenter, {"read_again": wish}
            case VcenterPause():
                return await registry.pause(self._pool, command.vcenter), {}
            case VcenterResume():
                return await registry.resume(self._pool, command.vcenter), {}
            case VcenterReleaseBrake():
                return await registry.release_brake(self._pool, command.vcenter), {}
            case _:
                raise PermanentError(f"{command.TYPE} is nothing the collector does", code="unknown_command")

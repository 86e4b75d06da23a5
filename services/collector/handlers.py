"""Operators' commands about vCenters: noted in the registry, where the watchers find them, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from services.collector import registry
from services.collector.registry import Vcenter
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
from shared.store.pool import Pool

log = structlog.get_logger(__name__)
_Order = Callable[[Pool, UUID], Awaitable[Vcenter]]


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
            await publish(self._bus, [envelope])
            await reply(self._bus, received, envelope)

    async def _carry_out(self, command: Event) -> CommandReplied:
        order, vcenter_id = _order_of(command)
        if order is None or vcenter_id is None:
            complaint = Complaint(
                code="unknown_command", message=f"{command.TYPE} is nothing the collector does"
            )
            return CommandReplied(command=command.TYPE, complaint=complaint)
        try:
            vcenter = await order(self._pool, vcenter_id)
        except PermanentError as error:
            message = f"{error}; {error.hint}" if error.hint else str(error)
            complaint = Complaint(code=error.code, message=message, field="vcenter")
            return CommandReplied(command=command.TYPE, complaint=complaint)
        log.info("command", command=command.TYPE, vcenter=vcenter.name)
        result = {"vcenter": str(vcenter_id), "name": vcenter.name, "epoch": vcenter.epoch}
        return CommandReplied(command=command.TYPE, result=result)


def _order_of(command: Event) -> tuple[_Order | None, UUID | None]:
    match command:
        case VcenterResync():
            return registry.request_resync, command.vcenter
        case VcenterPause():
            return registry.pause, command.vcenter
        case VcenterResume():
            return registry.resume, command.vcenter
        case VcenterReleaseBrake():
            return registry.release_brake, command.vcenter
        case _:
            return None, None

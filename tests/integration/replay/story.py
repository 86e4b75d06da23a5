"""Events for a log, and what a test sees of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from shared.bus.port import Bus, Delivery, LogEntry, Message
from shared.events.commands import VcenterPause
from shared.events.envelope import wrap
from shared.events.topology import Queue, Topology
from shared.events.vcenter import VcenterHeartbeat
from shared.replay import jobs, running
from shared.replay.finding import entries
from shared.replay.plan import Plan, Progress, Replay, Target
from shared.runtime.publishing import message_of
from shared.store.pool import Pool

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
VC1, VC2 = UUID(int=1), UUID(int=2)
EAVESDROPPER = "test.everything"
MINE = "test.mine"


def beats(count: int, vcenter: UUID = VC1, first: int = 1) -> list[Message]:
    """Heartbeats, numbered by their sequence."""
    return [
        message_of(
            wrap(
                VcenterHeartbeat(
                    vcenter=vcenter, epoch=1, sequence=number, name="lab", current_to=START, lag_seconds=0.1
                ),
                source="collector",
                time=START,
                id=f"{vcenter.int}-{number}",
            )
        )
        for number in range(first, first + count)
    ]


def order() -> Message:
    """A command, as an operator sent it."""
    return message_of(wrap(VcenterPause(vcenter=VC1, by="anna"), source="cli", time=START, id="order"))


async def with_queues(bus: Bus) -> None:
    """A queue of a consumer's, and one that hears whatever is published to everybody."""
    await bus.declare(Topology(queues=(Queue(MINE), Queue(EAVESDROPPER, bindings=("#",)))))


async def log_of(bus: Bus) -> list[LogEntry]:
    """The whole log."""
    return [entry async for entry in entries(bus, "first")]


async def plan_of(bus: Bus, target: Target, **values: object) -> Plan:
    """All of the log."""
    log = await log_of(bus)
    return Plan.model_validate({"first": log[0].offset, "last": log[-1].offset, "target": target, **values})


async def begun(pool: Pool, plan: Plan, size: int = 0) -> Replay:
    """A replay that stands at its beginning."""
    return await jobs.create(pool, plan, "anna", size)


async def played(
    bus: Bus,
    pool: Pool,
    replay: Replay,
    watch: Callable[[Progress, asyncio.Event], None] = lambda _progress, _stop: None,
    *,
    accept_loss: bool = False,
) -> Progress:
    """Play it; `watch` may stop it, or raise as if the process ended there."""
    stop = asyncio.Event()
    async with jobs.claimed(pool, replay.id) as claim:
        return await running.run(bus, claim, stop, lambda at: watch(at, stop), accept_loss=accept_loss)


async def drained(bus: Bus, queue: str) -> list[Delivery]:
    """All that is in a queue, taken out."""
    taken: list[Delivery] = []
    async with bus.consume(queue, prefetch=5000) as consumer:
        while True:
            try:
                async with asyncio.timeout(1.0):
                    taken += await consumer.batch(1000)
            except TimeoutError:
                break
        if taken:
            await consumer.ack(taken[-1])
    return taken


def ids(found: list[Delivery]) -> list[str]:
    """Their messages' ids."""
    return [delivery.message.message_id for delivery in found]


def lines(path: Path) -> list[bytes]:
    """The lines of a plain file of events, without its head."""
    return path.read_bytes().splitlines()[1:]

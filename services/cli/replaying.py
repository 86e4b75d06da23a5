"""An operator's replay from beginning to end: checked, remembered, told on the bus, played, told again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.asking import SOURCE, operator
from services.cli.interrupting import pausing
from services.cli.rendering.replaying import Bar
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.envelope import event_id, wrap
from shared.events.operations import ReplayEnded, ReplayFilter, ReplayStarted
from shared.events.selecting import Selection
from shared.replay import jobs, running
from shared.replay.files import EventWriter
from shared.replay.jobs import Claim
from shared.replay.plan import Plan, Progress, Replay, Target
from shared.replay.rules import check_queue
from shared.replay.targets import make_queue, queue_exists
from shared.runtime.environment import Platform
from shared.runtime.errors import PatchbayError
from shared.runtime.publishing import publish


@dataclass(frozen=True)
class Played:
    """How a replay ended."""

    replay: Replay
    progress: Progress

    @property
    def done(self) -> bool:
        """Did it come to its end?"""
        return self.progress.next > self.replay.plan.last


async def check_target(bus: Bus, target: Target) -> None:
    """Raises `PermanentError` for a target that can't be, before anything is made."""
    if target.queue is not None:
        check_queue(target.queue, fresh=target.fresh, exists=await queue_exists(bus, target.queue))


async def begin(platform: Platform, plan: Plan) -> Replay:
    """Make the target and remember the replay. Raises `PermanentError`."""
    identity, size = jobs.new_id(), 0
    if plan.target.file is not None:
        about = {"replay": identity, "by": operator(), "at": datetime.now(UTC).isoformat()}
        writer = await asyncio.to_thread(EventWriter.create, Path(plan.target.file), about)
        size = writer.size
    elif plan.target.fresh and plan.target.queue is not None:
        await make_queue(platform.bus, plan.target.queue)
    return await jobs.create(platform.pool, plan, operator(), size, identity)


async def play(platform: Platform, identity: str, *, accept_loss: bool = False) -> Played:
    """Play a replay from where it stands, until its end or an interruption; both are told on the bus.

    Raises `PermanentError`, `TransientError`, having told that, too.
    """
    async with jobs.claimed(platform.pool, identity) as claim:
        replay = claim.replay
        if replay.state == "done":
            return Played(replay, replay.progress)
        await _tell(platform.bus, _started(replay), replay.progress.next)
        with Bar(replay) as bar, pausing() as stop:
            progress = replay.progress

            def watch(reached: Progress) -> None:
                nonlocal progress
                progress = reached
                bar.show(reached)

            try:
                progress = await running.run(platform.bus, claim, stop, watch, accept_loss=accept_loss)
            except PatchbayError as error:
                await _tell_failure(platform.bus, claim, progress, error)
                raise
        played = Played(replay, progress)
        await _tell(platform.bus, _ended(replay, progress, done=played.done), progress.next)
        return played


async def _tell(bus: Bus, event: Event, place: int) -> None:
    identity = event_id(event, event.subject_of(), place)
    await publish(bus, [wrap(event, source=SOURCE, time=datetime.now(UTC), id=identity)])


async def _tell_failure(bus: Bus, claim: Claim, progress: Progress, error: PatchbayError) -> None:
    ended = _ended(claim.replay, progress, done=False).model_copy(
        update={"state": "failed", "problem": str(error)}
    )
    try:
        await _tell(bus, ended, progress.next)
    except PatchbayError as second:
        error.add_note(f"nor could it be told on the bus: {second}")


def _started(replay: Replay) -> ReplayStarted:
    plan = replay.plan
    return ReplayStarted(
        replay=replay.id,
        by=operator(),
        file=plan.file,
        first=replay.progress.next,
        last=plan.last,
        since=plan.since,
        until=plan.until,
        filter=_filter(plan.selection),
        queue=plan.target.queue,
        to_file=plan.target.file,
        with_commands=plan.with_commands,
    )


def _filter(selection: Selection) -> ReplayFilter:
    said: dict[str, Any] = {
        name: (*thing.words, thing.moid) if thing.moid is not None else thing.words
        for name, thing in (("vm", selection.vm), ("wire", selection.wire))
        if thing is not None
    }
    if selection.subnet is not None:
        said["subnet"] = selection.subnet.words
    return ReplayFilter(types=selection.types, vcenter=selection.vcenter, address=selection.address, **said)


def _ended(replay: Replay, progress: Progress, *, done: bool) -> ReplayEnded:
    return ReplayEnded(
        replay=replay.id,
        by=operator(),
        state="done" if done else "paused",
        next=progress.next,
        read=progress.read,
        sent=progress.sent,
    )

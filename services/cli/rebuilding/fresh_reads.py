"""Every watched vCenter asked for a full read, and waited for until the log has all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.cli.asking import operator, order
from services.cli.rebuilding.building import Source
from services.collector import registry
from services.collector.registry import Vcenter
from shared.bus.port import LogStart
from shared.events.codec import Unreadable, decode
from shared.events.commands import VcenterResync
from shared.events.envelope import Envelope
from shared.events.inventory import SnapshotCompleted, SnapshotHeld
from shared.runtime.errors import PermanentError
from shared.store.pool import open_pool

WAIT = timedelta(minutes=5)
UNREADABLE = {"paused": "is paused", "lost": "is out of sight", "stopped": "is not watched any more"}
"""States in which the registry has vCenters that can't be read."""

Asked = Mapping[UUID, Vcenter]
"""By identity, each with the epoch before the read."""


@dataclass(frozen=True)
class Read:
    """A vCenter's fresh read, and the event that ended it."""

    vcenter: Vcenter
    identity: UUID
    completed: Envelope[Any]

    @property
    def epoch(self) -> int:
        """Of the login that it was read by."""
        return int(self.completed.data.epoch)


async def ask_all(source: Source) -> Asked:
    """Ask for a full read of every watched vCenter.

    Raises `PermanentError` vcenter_unreadable where one can't be read; then none was asked.
    """
    watched = [one for one in await _registered(source) if one.instance_uuid is not None]
    if not watched:
        raise PermanentError(
            "no vCenter is watched, so none can be read anew",
            code="vcenter_unreadable",
            hint="add one (patchbay vcenter add NAME URL --user USER), or begin with a snapshot: --from FILE",
        )
    for one in watched:
        state = "paused" if one.paused else one.state
        if state in UNREADABLE:
            raise _unreadable(one, UNREADABLE[state])
    asked: dict[UUID, Vcenter] = {}
    for one in watched:
        identity = one.instance_uuid
        assert identity is not None  # noqa: S101  the others were left out
        told = await order(source.bus, VcenterResync(vcenter=identity, by=operator()))
        asked[identity] = replace(one, epoch=int(told["epoch"]))
    return asked


async def await_all(
    source: Source, asked: Asked, after: LogStart, wait: timedelta, told: Callable[[int], None]
) -> list[Read]:
    """Wait until the log, from `after` on, has a whole read of each; `told` hears how many it has.

    Raises `PermanentError` sweep_held, or vcenter_unread after `wait`.
    """
    done: dict[UUID, Read] = {}
    try:
        async with asyncio.timeout(wait.total_seconds()):
            await _follow(source, asked, after, done, told)
    except TimeoutError:
        missing = [vcenter for identity, vcenter in asked.items() if identity not in done]
        raise await _unread(source, missing, wait) from None
    return list(done.values())


async def _follow(
    source: Source, asked: Asked, after: LogStart, done: dict[UUID, Read], told: Callable[[int], None]
) -> None:
    entries = source.bus.read_log(after, follow=True)
    try:
        async for entry in entries:
            found = _end_of_read(entry.message.type, entry.message.body)
            vcenter = None if found is None else asked.get(found.data.vcenter)
            if found is None or vcenter is None or found.data.epoch <= vcenter.epoch:
                continue
            if isinstance(found.data, SnapshotHeld):
                raise _held(vcenter, found.data)
            done[found.data.vcenter] = Read(vcenter, found.data.vcenter, found)
            told(len(done))
            if len(done) == len(asked):
                return
    finally:
        if isinstance(entries, AsyncGenerator):
            await entries.aclose()


def _end_of_read(kind: str, body: bytes) -> Envelope[Any] | None:
    if kind not in {SnapshotCompleted.TYPE, SnapshotHeld.TYPE}:
        return None
    try:
        return decode(body)
    except Unreadable:
        return None


async def _registered(source: Source) -> Sequence[Vcenter]:
    pool = await open_pool(source.database_url, name="patchbay-rebuild", size=1)
    try:
        return await registry.all_vcenters(pool)
    finally:
        await pool.close()


def _unreadable(vcenter: Vcenter, why: str) -> PermanentError:
    detail = f": {vcenter.state_detail}" if vcenter.state_detail else ""
    verb = "resume" if vcenter.paused else "check"
    return PermanentError(
        f"vCenter {vcenter.name!r} can't be read anew, as it {why}{detail}",
        code="vcenter_unreadable",
        hint=f"patchbay vcenter {verb} {vcenter.name}; if it is gone for good: "
        f"patchbay vcenter remove {vcenter.name}",
    )


def _held(vcenter: Vcenter, fact: SnapshotHeld) -> PermanentError:
    missing = ", ".join(f"{number} of kind {kind}" for kind, number in fact.missing.items() if number)
    return PermanentError(
        f"vCenter {vcenter.name!r} lacks much that was there ({missing}), and the brake holds its removal",
        code="sweep_held",
        hint=fact.release,
    )


async def _unread(source: Source, missing: Sequence[Vcenter], wait: timedelta) -> PermanentError:
    now = {one.id: one for one in await _registered(source)}
    first = now.get(missing[0].id, missing[0])
    names = ", ".join(repr(one.name) for one in missing)
    detail = f" ({first.state_detail})" if first.state_detail else ""
    return PermanentError(
        f"vCenter {names} was not read within {wait.total_seconds():.0f} s; "
        f"{first.name} is in state {first.state}{detail}",
        code="vcenter_unread",
        hint=f"see patchbay vcenter check {first.name}, or wait longer: --wait 15m",
    )

"""A replay at work: windows out of the source, selected, to the target, and the place remembered after each.

Cut off between target and memory, a window is sent again with the same ids: nothing is lost, and who
de-duplicates by id notices nothing. A file is cut back first, so it has each entry once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from shared.bus.port import Bus, LogEntry, Message
from shared.replay.jobs import Claim
from shared.replay.plan import Plan, Progress, Summary
from shared.replay.rules import admits, asks
from shared.replay.sources import check_kept, read
from shared.replay.targets import Sink, open_sink
from shared.runtime.errors import PatchbayError

WINDOW = 500
"""Entries sent, and remembered, at once. Read and not sent ones count: a place is remembered now and then."""

READ_WINDOW = 5000
WINDOWS_A_SECOND = 4
"""With a rate, a window is at most what may be sent in a quarter of a second."""

Watch = Callable[[Progress], None]


class _Pace:
    """Keeps to a rate, on the average since the beginning."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._began = asyncio.get_running_loop().time()
        self._sent = 0

    @property
    def window(self) -> int:
        """Entries to send at once."""
        if self._rate is None:
            return WINDOW
        return max(1, min(WINDOW, int(self._rate / WINDOWS_A_SECOND)))

    async def sent(self, count: int, stop: asyncio.Event) -> None:
        """Wait until `count` more may have been sent, or until `stop`."""
        if self._rate is None:
            return
        self._sent += count
        left = self._began + self._sent / self._rate - asyncio.get_running_loop().time()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await stop.wait()
            except TimeoutError:
                pass


async def run(
    bus: Bus, claim: Claim, stop: asyncio.Event, watch: Watch, *, accept_loss: bool = False
) -> Progress:
    """Play from where the replay stands to its end, or until `stop`; its state then is done or paused.

    Raises `PermanentError`, `TransientError`; its state then is failed, and it can be resumed.
    """
    replay = claim.replay
    progress = replay.progress
    try:
        if not accept_loss:
            await check_kept(bus, replay.plan, progress.next)
        sink = await open_sink(bus, replay)
        async for reached in _play(bus, replay.plan, sink, progress, stop):
            progress = reached
            await claim.save(progress)
            watch(progress)
    except PatchbayError as error:
        await claim.save(progress, "failed", str(error))
        raise
    finished = progress.next > replay.plan.last
    await claim.save(progress, "done" if finished else "paused")
    return progress


async def _play(
    bus: Bus, plan: Plan, sink: Sink, progress: Progress, stop: asyncio.Event
) -> AsyncIterator[Progress]:
    """Yields the place after each window that is safe at the target."""
    wanted = wanted_of(plan)
    pace = _Pace(plan.rate)
    async with aclosing(read(bus, plan, progress.next)) as entries:
        while not stop.is_set():
            window = await _next_window(entries, wanted, pace.window)
            if window.chosen:
                await sink.take(window.chosen)
            progress = Progress(
                next=plan.last + 1 if window.ended else window.behind or progress.next,
                read=progress.read + window.read,
                sent=progress.sent + len(window.chosen),
                size=sink.size,
            )
            yield progress
            if window.problem is not None:
                raise window.problem
            if window.ended:
                return
            await pace.sent(len(window.chosen), stop)


@dataclass
class _Window:
    """Entries to send, and the place behind all that was read for them. Where reading failed, why."""

    chosen: list[LogEntry] = field(default_factory=list)
    behind: int | None = None
    read: int = 0
    ended: bool = False
    problem: PatchbayError | None = None


async def _next_window(
    entries: AsyncGenerator[tuple[int, LogEntry]], wanted: Callable[[Message], bool], size: int
) -> _Window:
    window = _Window()
    try:
        while len(window.chosen) < size and window.read < READ_WINDOW:
            found = await anext(entries, None)
            if found is None:
                window.ended = True
                break
            window.behind, entry = found
            window.read += 1
            if wanted(entry.message):
                window.chosen.append(entry)
    except PatchbayError as error:
        # What was read in front of it is good.
        window.problem = error
    return window


def wanted_of(plan: Plan) -> Callable[[Message], bool]:
    """Which messages the plan sends."""
    selection = plan.selection
    if plan.target.queue is None:
        return lambda message: selection.takes(message.body, message.type)
    admitted = admits(plan.target.queue, with_commands=plan.with_commands)
    return lambda message: admitted(message) and selection.takes(message.body, message.type)


async def summarise(bus: Bus, plan: Plan, watch: Watch) -> Summary:
    """What the plan would send. Nothing is sent, made or remembered."""
    found = Summary()
    queue = plan.target.queue
    any_message = admits(queue, with_commands=True) if queue is not None else None
    async with aclosing(read(bus, plan, plan.first)) as entries:
        async for behind, entry in entries:
            found.read += 1
            message = entry.message
            if plan.selection.takes(message.body, message.type):
                if any_message is not None and not any_message(message):
                    found.not_for_queue += 1
                elif queue is not None and not plan.with_commands and asks(message.type):
                    found.commands += 1
                else:
                    found.add(entry)
            if found.read % WINDOW == 0:
                watch(Progress(behind, found.read, found.sent))
    return found

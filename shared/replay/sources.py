"""Where replayed entries come from: the log, or a file; with the place to go on at behind each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from shared.bus.port import Bus, LogEntry
from shared.replay.files import read_events
from shared.replay.finding import entries, first_entry
from shared.replay.plan import Plan
from shared.runtime.errors import PermanentError


async def read(bus: Bus, plan: Plan, start: int) -> AsyncGenerator[tuple[int, LogEntry]]:
    """The plan's entries from `start` on, each with the offset or line behind it; selected or not."""
    if plan.file is not None:
        for number, entry in read_events(Path(plan.file), after=start - 1):
            if number > plan.last:
                return
            yield number + 1, entry
        return
    stretch = plan.stretch
    async with aclosing(entries(bus, start)) as reading:
        async for entry in reading:
            if stretch.is_behind(entry):
                return
            if stretch.holds(entry):
                yield entry.offset + 1, entry


async def check_kept(bus: Bus, plan: Plan, start: int) -> None:
    """Raises `PermanentError` log_cut when retention has removed entries that a replay still has to read."""
    oldest = await first_entry(bus, "first") if plan.file is None else None
    if oldest is not None and oldest.offset > start:
        raise PermanentError(
            f"the log now begins at offset {oldest.offset}, the replay stands at {start}: "
            "what was between is gone",
            code="log_cut",
            hint="go on without it: --accept-loss",
        )

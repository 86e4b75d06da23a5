"""A state that was loaded from a snapshot, brought up to date by what the log holds since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.allocator.settings import AllocatorSettings
from services.cli.rebuilding.folding import Fold
from services.cli.rebuilding.playing import play, start_of_log
from services.cli.rebuilding.telling import Teller
from shared.bus.port import Bus, LogEntry, LogStart
from shared.state.positions import Position
from shared.store.pool import Pool, transaction


@dataclass(frozen=True)
class Caught:
    """What the log had to say."""

    entries: int
    folded: int
    gap: bool
    """The log begins after the snapshot: what happened in between is not known, until vCenters are read."""

    @property
    def sentence(self) -> str:
        """For people."""
        if self.gap and not self.entries:
            return "the log here is empty: the collectors' next snapshots bring what changed since"
        if self.gap:
            return (
                f"{self.entries} entries of the log played, which begins after the snapshot:"
                " the collectors' next snapshots bring what changed in between"
            )
        return f"{self.entries} entries of the log played, {self.folded} of them counted: up to date"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"entries": self.entries, "folded": self.folded, "gap": self.gap}


async def catch_up(
    pool: Pool, bus: Bus, position: Position, settings: AllocatorSettings, teller: Teller
) -> Caught:
    """Play the log from `position` to its end into the database of `pool`, where no service runs yet."""
    first = await start_of_log(bus)
    gap = first is None or (position.end is not None and first.offset > position.end)
    start: LogStart = "first" if position.since is None else position.since
    fold = Fold(pool, settings)

    async def take(entries: Sequence[LogEntry]) -> None:
        await fold.take(entries)
        # What follows from these entries was published when they were new.
        async with transaction(pool) as conn:
            await conn.execute("DELETE FROM bus.outbox")

    with teller.playing(None) as played:
        stretch = await play(bus, start, take, played)
    return Caught(stretch.entries, sum(fold.counts.values()), gap)

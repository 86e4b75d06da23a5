"""`patchbay rebuild --verify`: is the live state what the log makes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.cli.rebuilding.building import Built, Source, built, copy_live, even_out, fill, meet, tables_of
from services.cli.rebuilding.folding import Skipped
from services.cli.rebuilding.origins import Origin
from services.cli.rebuilding.telling import Teller
from shared.bus.port import LogEntry
from shared.state.comparing import Difference, compare_state
from shared.store.pool import transaction

SHOWN = 200
"""Differences that are kept to be shown; the others are counted."""


@dataclass
class Verdict:
    """What a comparison found, and what was played to come to it."""

    entries: int
    first: LogEntry | None
    end: LogEntry | None
    folded: Counter[str]
    origin: Origin
    rows: int = 0
    tables: int = 0
    differences: list[Difference] = field(default_factory=list)
    by_table: Counter[str] = field(default_factory=Counter)
    skipped: Sequence[Skipped] = ()
    skips: int = 0

    @property
    def equal(self) -> bool:
        """Whether every row that is compared is the same."""
        return not self.by_table

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "equal": self.equal,
            "begun": self.origin.as_json(),
            "log": {
                "entries": self.entries,
                "first_offset": _offset(self.first),
                "first_time": _time(self.first),
                "end_offset": _offset(self.end),
                "end_time": _time(self.end),
                "folded": dict(sorted(self.folded.items())),
            },
            "compared": {"tables": self.tables, "rows": self.rows, "not_compared": dict(self.origin.omitted)},
            "differences": sum(self.by_table.values()),
            "by_table": dict(self.by_table),
            "shown": [difference._asdict() for difference in self.differences],
            "skipped": self.skips,
            "skipped_events": [
                {"offset": s.offset, "id": s.id, "type": s.type, "reason": s.reason} for s in self.skipped
            ],
        }


async def verify(source: Source, origin: Origin, teller: Teller) -> Verdict:
    """Make the state again beside the live one and compare. Both databases are gone afterwards."""
    async with built(source, "rebuilt") as rebuilt, built(source, "live_copy") as copy:
        start = await origin.begin(source, rebuilt, teller)
        stretch = await fill(source, rebuilt, start, teller)
        position, messages = await copy_live(source, copy, teller)
        end = await meet(source, rebuilt, copy, position, teller)
        for state in (rebuilt, copy):
            await state.take_unpublished(messages)
        for state in (rebuilt, copy):
            await even_out(state, rebuilt.fold.latest or copy.fold.latest)
        verdict = Verdict(
            entries=stretch.entries,
            first=stretch.first,
            end=end or stretch.last,
            folded=rebuilt.fold.counts,
            origin=origin,
            skipped=rebuilt.fold.skipped,
            skips=rebuilt.fold.skips,
        )
        await compare(copy, rebuilt, verdict, teller)
        return verdict


async def compare(live: Built, rebuilt: Built, verdict: Verdict, teller: Teller) -> None:
    """Compare every table that is not left out, and note what differs."""
    tables = await tables_of(rebuilt.pool)
    with teller.copying(len(tables), "comparing") as done:

        def compared(table: str, rows: int) -> None:
            verdict.rows += rows
            verdict.tables += 1
            done(table, rows)

        async with (
            transaction(live.pool, readonly=True) as ours,
            transaction(rebuilt.pool, readonly=True) as made,
        ):
            async for difference in compare_state(ours, made, tables, verdict.origin.omitted, compared):
                verdict.by_table[difference.table] += 1
                if len(verdict.differences) < SHOWN:
                    verdict.differences.append(difference)


def _offset(entry: LogEntry | None) -> int | None:
    return None if entry is None else entry.offset


def _time(entry: LogEntry | None) -> datetime | None:
    return None if entry is None else entry.time

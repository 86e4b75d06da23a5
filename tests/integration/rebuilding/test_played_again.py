"""G3: what was played already changes nothing when it comes again; a state that catches up relies on it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.cli.rebuilding.building import built, even_out, tables_of
from services.cli.rebuilding.omitted import OMITTED
from services.cli.rebuilding.playing import play
from shared.bus.port import LogEntry
from shared.state.comparing import compare_state
from shared.store.pool import transaction
from tests.integration.rebuilding.day import Day

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_g3_the_last_third_of_a_log_played_again_changes_no_row(day: Day) -> None:
    """Facts, decisions and answers alike."""
    await day.live(10)
    await day.quiet()
    async with built(day.source, "once") as once, built(day.source, "again") as again:
        entries: list[LogEntry] = []

        async def both(piece: Sequence[LogEntry]) -> None:
            entries.extend(piece)
            await once.take(piece)
            await again.take(piece)

        await play(day.platform.bus, "first", both)
        for _ in range(2):
            await again.fold.take(entries[2 * len(entries) // 3 :])
        for state in (once, again):
            await even_out(state, state.fold.latest)
        tables = await tables_of(once.pool)
        async with (
            transaction(once.pool, readonly=True) as left,
            transaction(again.pool, readonly=True) as right,
        ):
            found = [d async for d in compare_state(left, right, tables, OMITTED)]
        assert found == [], day.done

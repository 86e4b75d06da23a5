"""`patchbay rebuild --replace`: the live state exchanged for the rebuilt one, at once, while services wait.

All writers of the state are held by its locks while the last of the log is played and the rows are
exchanged. One transaction does it: a reader sees the old state or the new one. What services were about to
write they write to the new one, and facts that are in their queues still were played and change nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.allocator.locking import lock_writes
from services.cli.rebuilding.building import Built, Source, built, copy_all, existing, fill
from services.cli.rebuilding.origins import Origin
from services.cli.rebuilding.playing import play
from services.cli.rebuilding.telling import Teller
from shared.bus.port import LogStart
from shared.state.copying import clear_state, copy_state
from shared.state.positions import position_of, unpublished
from shared.state.tables import Table, state_tables
from shared.store.connection import connect, translate_errors
from shared.store.pool import Connection, transaction

ATTEMPTS = 10
LOCK_SECONDS = 10

STAYS = frozenset({"placement.subnet_use"})
"""Tables that no event tells of: they stay as they are."""

_FINDINGS = """
CREATE TEMPORARY TABLE kept_findings ON COMMIT DROP AS
SELECT request_id, findings FROM placement.request WHERE findings IS NOT NULL
"""
_FINDINGS_BACK = """
UPDATE placement.request r SET findings = k.findings FROM kept_findings k WHERE k.request_id = r.request_id
"""


@dataclass(frozen=True)
class Replaced:
    """What was exchanged, and where the old state is."""

    rows: int
    before: str
    """Name of the database that has the old state."""
    entries: int
    skipped: int

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "replaced": True,
            "rows": self.rows,
            "kept_as": self.before,
            "entries": self.entries,
            "skipped": self.skipped,
        }


async def replace(source: Source, origin: Origin, teller: Teller) -> Replaced:
    """Make the state again and exchange it for the live one. The old one is kept in a database of its own."""
    async with built(source, "rebuilt") as rebuilt:
        start = await origin.begin(source, rebuilt, teller)
        stretch = await fill(source, rebuilt, start, teller)
        return await _exchange(source, rebuilt, stretch.entries, teller)


async def restore(source: Source, name: str, teller: Teller) -> Replaced:
    """Take a state that was kept back, brought up to date by the log."""
    async with existing(source, name) as kept:
        async with transaction(kept.pool, readonly=True) as conn:
            since = (await position_of(conn)).since
        start: LogStart = "first" if since is None else since
        stretch = await fill(source, kept, start, teller)
        return await _exchange(source, kept, stretch.entries, teller)


async def _exchange(source: Source, rebuilt: Built, entries: int, teller: Teller) -> Replaced:
    async with built(source, "before") as before:
        async with _held(source) as live:
            messages = await unpublished(live)
            await copy_all(live, before.pool, teller)
            if rebuilt.last >= 0:
                await play(source.bus, rebuilt.last + 1, rebuilt.take)
            await rebuilt.take_unpublished(messages)
            rows = await _swap_in(live, rebuilt, teller)
        before.scratch.keep = True
        return Replaced(rows, before.scratch.name, entries, rebuilt.fold.skips)


@asynccontextmanager
async def _held(source: Source) -> AsyncIterator[Connection]:
    """A transaction that nobody writes the state beside, and nobody reads it until it ends.

    Raises ConflictError when services were busy with it for too long.
    """
    live = await connect(source.database_url, name="patchbay-rebuild", command_timeout=None)
    try:
        async with translate_errors():
            for attempt in range(ATTEMPTS):
                held = live.transaction()
                await held.start()
                try:
                    await _lock(live)
                    break
                except BaseException as error:
                    await held.rollback()
                    async with translate_errors():
                        if attempt == ATTEMPTS - 1 or not isinstance(error, Exception):
                            raise
            try:
                yield live
            except BaseException:
                await held.rollback()
                raise
            await held.commit()
    finally:
        await live.close()


async def _lock(live: Connection) -> None:
    # Whoever waits for us the other way round is sent away by the server, and tries again.
    await live.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    await lock_writes(live)
    tables = await state_tables(live)
    await live.execute(f"LOCK TABLE {', '.join(t.quoted for t in tables)} IN ACCESS EXCLUSIVE MODE")


async def _swap_in(live: Connection, rebuilt: Built, teller: Teller) -> int:
    tables = [table for table in await state_tables(live) if table.full_name not in STAYS]
    await live.execute(_FINDINGS)
    await clear_state(live, tables)
    await _triggers(live, tables, on=False)
    async with transaction(rebuilt.pool, readonly=True) as made:
        with teller.copying(len(tables), "exchanging") as copied:
            rows = await copy_state(made, live, tables, copied)
    await live.execute(_FINDINGS_BACK)
    await live.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is deferred would stand against altering
    await _triggers(live, tables, on=True)
    await live.execute(f"ANALYZE {', '.join(table.quoted for table in tables)}")
    return rows


async def _triggers(live: Connection, tables: list[Table], *, on: bool) -> None:
    """Rows that are copied bring what triggers would make of them."""
    word = "ENABLE" if on else "DISABLE"
    for table in tables:
        await live.execute(f"ALTER TABLE {table.quoted} {word} TRIGGER USER")

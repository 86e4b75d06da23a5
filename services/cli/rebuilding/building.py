"""Two databases beside the live one, at one place in the log: made from the log, and copied.

The live state moves on, so nothing is compared with it. Its rows are copied in one snapshot of the
database. What the log holds since a little before that is played to both: to the copy again, which changes
nothing where it was applied (G3), and to the rebuilt one for the first time. So both have taken in all that
the log holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.allocator.decisions import weigh_again
from services.allocator.pruning import prune
from services.allocator.settings import AllocatorSettings
from services.cli.rebuilding.folding import Fold
from services.cli.rebuilding.playing import Stretch, end_of_log, play
from services.cli.rebuilding.telling import Teller
from services.placement.reservation_states import settle
from shared.bus.port import Bus, LogEntry, LogStart, Message
from shared.events.envelope import Envelope
from shared.ipam.ledger import reclaim
from shared.runtime.errors import PermanentError
from shared.state.copying import clear_state, copy_state
from shared.state.positions import Position, position_of, unpublished
from shared.state.tables import Table, state_tables
from shared.store.connection import connect
from shared.store.pool import Connection, Pool, open_pool, transaction
from shared.store.scratch import Scratch, beside, scratch_database, scratch_names

CONNECTIONS = 3


@dataclass
class Built:
    """A state beside the live one, and what folds events into it."""

    scratch: Scratch
    pool: Pool
    fold: Fold
    last: int = -1
    """Offset of the last entry of the log that it took in."""

    async def take(self, entries: Sequence[LogEntry]) -> None:
        """Fold those entries that are new."""
        fresh = [entry for entry in entries if entry.offset > self.last]
        if fresh:
            await self.fold.take(fresh)
            self.last = fresh[-1].offset

    async def take_unpublished(self, messages: Sequence[Message]) -> None:
        """Fold messages that will be in the log in a moment, and may come again then."""
        await self.fold.fold([(None, message) for message in messages])


@dataclass(frozen=True)
class Source:
    """What a rebuild works on: the live database and bus, and where databases may be made."""

    database_url: str
    bus: Bus
    settings: AllocatorSettings
    scratch_url: str


@asynccontextmanager
async def built(source: Source, purpose: str) -> AsyncIterator[Built]:
    """An empty state in a database of its own."""
    async with scratch_database(source.scratch_url, purpose) as scratch:
        pool = await open_pool(scratch.url, name="patchbay-rebuild", size=CONNECTIONS)
        try:
            yield Built(scratch, pool, Fold(pool, source.settings))
        finally:
            await pool.close()


@asynccontextmanager
async def existing(source: Source, name: str) -> AsyncIterator[Built]:
    """A state that an earlier rebuild left behind, by its database's name.

    Raises `PermanentError` scratch_unknown when there is none.
    """
    if name not in await scratch_names(source.scratch_url):
        raise PermanentError(
            f"there is no database {name!r} of an earlier rebuild on this server",
            code="scratch_unknown",
            hint=f"there are: {', '.join(await scratch_names(source.scratch_url)) or 'none'}",
        )
    scratch = Scratch(beside(source.scratch_url, name), name, keep=True)
    pool = await open_pool(scratch.url, name="patchbay-rebuild", size=CONNECTIONS)
    try:
        yield Built(scratch, pool, Fold(pool, source.settings))
    finally:
        await pool.close()


async def fill(source: Source, state: Built, start: LogStart, teller: Teller) -> Stretch:
    """Play the log from `start` to its present end."""
    end = await end_of_log(source.bus)
    with teller.playing(None if end is None else end.offset) as played:
        return await play(source.bus, start, state.take, played)


async def copy_live(source: Source, copy: Built, teller: Teller) -> tuple[Position, list[Message]]:
    """Copy the live state; from where the log completes it, and what of it the log does not have yet."""
    live = await connect(source.database_url, name="patchbay-rebuild", command_timeout=None)
    try:
        async with live.transaction(isolation="repeatable_read", readonly=True):
            position = await position_of(live)
            messages = await unpublished(live)
            await copy_all(live, copy.pool, teller)
    finally:
        await live.close()
    return position, messages


async def copy_all(live: Connection, target: Pool, teller: Teller) -> None:
    """Copy every row of the state that `live`'s transaction sees."""
    async with transaction(target) as conn:
        tables = await state_tables(conn)
        await clear_state(conn, tables)
        with teller.copying(len(tables)) as copied:
            await copy_state(live, conn, tables, copied)


async def meet(
    source: Source, rebuilt: Built, copy: Built, position: Position, teller: Teller
) -> LogEntry | None:
    """Bring both to the same place in the log: its present end, which is returned."""
    since: LogStart = "first" if position.since is None else position.since
    if copy.last >= 0:
        since = copy.last + 1

    async def take(entries: Sequence[LogEntry]) -> None:
        await copy.take(entries)
        await rebuilt.take(entries)

    end = await end_of_log(source.bus)
    with teller.playing(None if end is None else end.offset, what="both to the end of the log") as played:
        return (await play(source.bus, since, take, played)).last


async def even_out(state: Built, cause: Envelope[Any] | None) -> None:
    """Do at once what services do now and then: weigh evidence, fold histories, free what has rested, settle
    reservations. `cause` is the last event that both states took in; without any there is no evidence.
    """
    now = datetime.now(UTC)
    if cause is not None:
        await weigh_again(state.pool, cause, state.fold.policy)
    policy = state.fold.policy
    await prune(state.pool, now + timedelta(days=1), policy.change, policy.grace)
    async with transaction(state.pool) as conn:
        subnets = [row["id"] for row in await conn.fetch("SELECT id FROM ipam.subnet ORDER BY id")]
        await settle(conn)
    for subnet in subnets:
        async with transaction(state.pool) as conn:
            while await reclaim(conn, [subnet], now):
                pass


async def tables_of(pool: Pool) -> list[Table]:
    """The state's tables."""
    async with transaction(pool, readonly=True) as conn:
        return await state_tables(conn)

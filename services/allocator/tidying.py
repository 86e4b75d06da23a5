"""What only the passing of time brings about: reservations of operators end, rested addresses are forgotten.

Here, at the edge, is the clock. What ends is told by an event with the time at which it was to end, so that
others, and a rebuild from the log, need none.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog

from services.allocator.address_commands import as_intervals, give_back
from services.allocator.announcing import SOURCE, Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.locking import lock_writes
from services.allocator.settling import Policy, settle
from shared.events.envelope import Envelope, event_id, wrap
from shared.events.reserved import AddressUnreserved
from shared.ipam import reserving
from shared.ipam.ledger import reclaim
from shared.ipam.scopes import scope_name
from shared.ipam.subnets import subnets_of_addresses
from shared.runtime.errors import TransientError
from shared.runtime.publishing import message_of
from shared.store.outbox import enqueue
from shared.store.pool import Connection, Pool, transaction

AT_ONCE = 1000
RECLAIMED_AT_ONCE = 10_000
SECONDS = 5
REST = timedelta(minutes=1)
"""How much longer than its cool-down an address may stay in the ledger of a subnet nobody allocates from."""

log = structlog.get_logger(__name__)


async def tidy(pool: Pool, policy: Policy, stop: asyncio.Event) -> None:
    """End what is to end, every few seconds until `stop`."""
    while not stop.is_set():
        now = datetime.now(UTC)
        try:
            ended = await expire(pool, now, policy)
            forgotten = await forget_rested(pool, now - REST)
            if ended or forgotten:
                log.info("addresses_tidied", expired=ended, rested=forgotten)
        except TransientError as error:
            log.warning("addresses_not_tidied", reason=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SECONDS)


async def expire(pool: Pool, now: datetime, policy: Policy) -> int:
    """Release the addresses whose reservation's end has come by `now`; how many."""
    count = 0
    while True:
        async with transaction(pool) as conn:
            await lock_writes(conn)
            found = await reserving.ended(conn, now, AT_ONCE)
            out = Announcements()
            for (until, scope), group in groupby(found, key=lambda one: (one.until, one.scope_id)):
                if until is not None:
                    await _expire(conn, scope, list(group), until, out, policy=policy)
            await out.send(conn)
        count += len(found)
        if len(found) < AT_ONCE:
            return count


async def forget_rested(pool: Pool, now: datetime) -> int:
    """Forget addresses that have rested by `now`, of all subnets, a part at a time; how many.

    Subnets from which addresses are handed out do that by themselves, and those that hand out the longest
    unused address remember.
    """
    rows = await pool.fetch(
        """
        SELECT s.id FROM ipam.subnet s WHERE s.allocation_order <> 'longest_unused' AND EXISTS (
            SELECT FROM ipam.address a
            WHERE a.subnet_id = s.id AND a.holder_kind = 'cooling' AND a.until <= $1
        )
        """,
        now,
    )
    count = 0
    for row in rows:
        some = RECLAIMED_AT_ONCE
        while some == RECLAIMED_AT_ONCE:
            async with transaction(pool) as conn:
                some = await reclaim(conn, [row["id"]], now, most=RECLAIMED_AT_ONCE)
            count += some
    return count


async def _expire(
    conn: Connection,
    scope: UUID,
    found: list[reserving.ReservedAddress],
    until: datetime,
    out: Announcements,
    *,
    policy: Policy,
) -> None:
    name = await scope_name(conn, scope)
    envelopes: list[Envelope[Any]] = []
    by = {one.address: one.by or "unknown" for one in found}
    for interval in as_intervals(by):
        first, last = map(str, interval.addresses())
        subnets = await subnets_of_addresses(conn, scope, [first, last])
        one = {subnet.id for subnet in subnets.values()}
        event = AddressUnreserved(
            scope=name,
            first=first,
            last=last,
            subnet=one.pop() if len(one) == 1 and len(subnets) == len({first, last}) else None,
            why="expired",
            by=by[first],
        )
        identity = event_id(event, scope, first, last, until)
        envelopes.append(wrap(event, source=SOURCE, time=until, id=identity))
    await enqueue(conn, [message_of(envelope) for envelope in envelopes])
    dirty: Dirty = await give_back(conn, scope, found, until)
    await settle(conn, dirty, Occasion(envelopes), out, policy)

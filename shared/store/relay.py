"""The relay: publishes the outbox, in the order it was written, and forgets what the bus confirmed (G2).

One relay works at a time, whichever process holds the lock; the others stand by and take over when its
connection ends. A crash between confirm and delete publishes again, with the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from shared.bus.port import Bus, PublishFailed, Unroutable
from shared.runtime.backoff import Backoff
from shared.runtime.errors import PermanentError, TransientError
from shared.store import outbox
from shared.store.connection import translate_errors
from shared.store.outbox import Row
from shared.store.pool import Connection, Pool

LOCK = 0x7061_7463_6862_0002
WINDOW = 500
"""Messages published with one wait for confirms, and deleted with one statement."""

STANDBY_SECONDS = 1.0
"""How often a standby looks whether the lock is free."""

IDLE_SECONDS = 30.0
"""How long to sleep at most when nobody wakes us: a net under the notifications."""

PARKED_SECONDS = 30.0
"""How often messages that no queue takes are tried again."""

DEPTH_SECONDS = 5.0
DRAIN_SECONDS = 5.0
"""How long to go on publishing what is there once asked to stop."""


log = structlog.get_logger(__name__)

DEPTH = Gauge("patchbay_outbox_messages", "Messages that wait in the outbox")
OLDEST = Gauge("patchbay_outbox_oldest_age_seconds", "Age of the oldest message in the outbox")
PUBLISHED = Counter("patchbay_outbox_published_total", "Messages published out of the outbox")
DROPPED = Counter("patchbay_outbox_dropped_total", "Replies whose asker was gone")
FAILURES = Counter("patchbay_outbox_failures_total", "Times that publishing, or the database, failed")


async def relay(pool: Pool, bus: Bus, *, stop: asyncio.Event, name: str) -> None:
    """Publish the outbox until `stop`. Takes one connection of the pool while it is the active relay.

    Errors of bus and database are waited out, with backoff; only a cancellation or a defect ends it early.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            async with translate_errors(), pool.acquire() as connection:
                if await connection.fetchval(f"SELECT pg_try_advisory_lock({LOCK})"):
                    log.info("outbox_relay_active", relay=name)
                    await _Relay(connection, bus, stop).run()
                    await connection.execute(f"SELECT pg_advisory_unlock({LOCK})")
                    return
            backoff.succeeded()
            await _sleep(stop, STANDBY_SECONDS)
        except TransientError as error:
            FAILURES.inc()
            log.warning("outbox_relay_interrupted", relay=name, error=str(error))
            await backoff.wait(stop)


@dataclass
class _Relay:
    """The active relay, on the connection that holds the lock."""

    connection: Connection
    bus: Bus
    stop: asyncio.Event
    parked: set[int] = field(default_factory=set)
    """Rows that no queue takes, or that the bus refuses: left out until they are tried again."""

    reported: set[int] = field(default_factory=set)
    retry_parked_at: float = 0.0
    look_at: float = 0.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish until asked to stop and, within `DRAIN_SECONDS`, nothing is left."""
        # A lost delete only means a repeated message: no need to wait for the disk.
        await self.connection.execute("SET synchronous_commit = off")
        backoff = Backoff()
        async with self._woken():
            while True:
                await self._housekeeping()
                if await self._publish_all():
                    backoff.succeeded()
                    if self.stop.is_set():
                        return
                    await self._rest()
                elif not await backoff.wait(self.stop):
                    return

    async def _publish_all(self) -> bool:
        """Publish what is there, window by window. False when the bus did not take all it should."""
        after, deadline = 0, time.monotonic() + DRAIN_SECONDS
        while rows := await outbox.read(
            self.connection, after=after, without=list(self.parked), limit=WINDOW
        ):
            after = rows[-1].id
            if not await self._publish(rows):
                return False
            if self.stop.is_set() and time.monotonic() > deadline:
                return True
            await self._housekeeping()
        return True

    async def _publish(self, rows: Sequence[Row]) -> bool:
        """Publish a window and delete what was confirmed, facts before replies. Tells whether all went."""
        whole = True
        for to_queue in (False, True):
            some = [row for row in rows if row.to_queue is to_queue]
            if some:
                done = {row.id for row in await self._offer(some, to_queue=to_queue)}
                await outbox.delete(self.connection, list(done))
                whole = whole and all(row.id in done or row.id in self.parked for row in some)
        return whole

    async def _offer(self, rows: Sequence[Row], *, to_queue: bool) -> Sequence[Row]:
        """Give rows to the bus; returns those that are settled: confirmed, or dropped for good."""
        try:
            await self.bus.publish([row.message for row in rows], to_queue=to_queue)
        except Unroutable as error:
            return self._sort_out(rows, error, to_queue=to_queue)
        except PublishFailed as error:
            FAILURES.inc()
            log.warning("outbox_publish_failed", error=str(error), again=len(error.unconfirmed))
            return self._confirmed(_without(rows, error.unconfirmed))
        except TransientError as error:
            FAILURES.inc()
            log.warning("outbox_publish_failed", error=str(error), again=len(rows))
            return ()
        except PermanentError as error:
            return await self._find_culprit(rows, error, to_queue=to_queue)
        return self._confirmed(rows)

    def _confirmed(self, rows: Sequence[Row]) -> Sequence[Row]:
        PUBLISHED.inc(len(rows))
        return rows

    def _sort_out(self, rows: Sequence[Row], error: Unroutable, *, to_queue: bool) -> Sequence[Row]:
        lost = [rows[at] for at in error.indices]
        taken = self._confirmed(_without(rows, error.indices))
        if not to_queue:
            for row in lost:
                self._park(row, "outbox_unroutable", str(error))
            return taken
        DROPPED.inc(len(lost))
        for row in lost:
            # Whoever asked is gone, and its queue with it. The outcome was published as an event too.
            log.warning("reply_dropped", queue=row.message.routing_key, type=row.message.type)
        return rows

    async def _find_culprit(
        self, rows: Sequence[Row], error: PermanentError, *, to_queue: bool
    ) -> Sequence[Row]:
        """G8: the bus refuses a window for good, perhaps for one message in it. Only that one may wait."""
        if len(rows) > 1:
            return [row for one in rows for row in await self._offer([one], to_queue=to_queue)]
        self._park(rows[0], "outbox_refused", str(error))
        return ()

    def _park(self, row: Row, event: str, error: str) -> None:
        self.parked.add(row.id)
        if row.id not in self.reported:
            self.reported.add(row.id)
            log.error(event, key=row.message.routing_key, id=row.message.message_id, error=error)

    async def _housekeeping(self) -> None:
        now = time.monotonic()
        if now >= self.look_at:
            self.look_at = now + DEPTH_SECONDS
            found = await outbox.depth(self.connection)
            DEPTH.set(found.messages)
            OLDEST.set(found.oldest)
        if now >= self.retry_parked_at:
            self.retry_parked_at = now + PARKED_SECONDS
            self.parked.clear()

    async def _rest(self) -> None:
        """Sleep until somebody writes; not before everything written so far is seen."""
        self.wake.clear()
        if not await self.connection.fetchval(f"SELECT pg_try_advisory_lock({outbox.IDLE})"):
            await _sleep(self.stop, 0.002)  # somebody is about to commit
            return
        try:
            if await outbox.read(self.connection, after=0, without=list(self.parked), limit=1):
                return
            patience = min(self.look_at, self.retry_parked_at) - time.monotonic()
            await _sleep(self.wake, min(max(patience, 0.0), IDLE_SECONDS))
        finally:
            await self.connection.execute(f"SELECT pg_advisory_unlock({outbox.IDLE})")

    @asynccontextmanager
    async def _woken(self) -> AsyncIterator[None]:
        """While inside, `wake` is set by a notification, a lost connection and `stop`."""
        await self.connection.add_listener(outbox.CHANNEL, self._on_event)
        self.connection.add_termination_listener(self._on_event)
        stopping = asyncio.create_task(self._wake_on_stop())
        try:
            yield
        finally:
            stopping.cancel()
            if not self.connection.is_closed():
                await self.connection.remove_listener(outbox.CHANNEL, self._on_event)
                self.connection.remove_termination_listener(self._on_event)

    def _on_event(self, *_event: Any) -> None:
        self.wake.set()

    async def _wake_on_stop(self) -> None:
        await self.stop.wait()
        self.wake.set()


def _without(rows: Sequence[Row], indices: Sequence[int]) -> Sequence[Row]:
    left_out = set(indices)
    return [row for at, row in enumerate(rows) if at not in left_out]


async def _sleep(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass

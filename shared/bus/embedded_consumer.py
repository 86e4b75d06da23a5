"""A consumer on the embedded bus: takes deliveries from a queue, holds them, settles them."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import NamedTuple

from shared.bus.embedded_messages import COLUMNS, delivered_message
from shared.bus.embedded_publishing import Publisher
from shared.bus.embedded_returns import bury, clear_up_after_the_dead, give_back
from shared.bus.embedded_session import Session, as_bus_errors, bus_transaction, rest
from shared.bus.embedded_topology import StoredQueue, take_position
from shared.bus.port import BusLost, Delivery, Message, Unroutable
from shared.bus.unsettled import Unsettled
from shared.events.topology import DEAD_LETTER_EXCHANGE
from shared.store.pool import Pool

POLL_SECONDS = 5.0
"""How long a consumer sleeps at most without news; news normally wakes it at once."""

# By ctid, so that the planner can't mistake a queue that just filled up for the empty one it has seen last.
# The lock on the consumer's row keeps the clearing-up from overlooking what is being taken.
_TAKE = f"""
WITH me AS (SELECT id FROM bus.consumer WHERE id = $2 FOR KEY SHARE),
taken AS (
    UPDATE bus.delivery SET holder = $2
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM bus.delivery
        WHERE queue_id = $1 AND holder IS NULL AND EXISTS (SELECT FROM me)
          AND NOT ($4 AND EXISTS (SELECT FROM bus.consumer WHERE queue_id = $1 AND id < $2))
        ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED))
    RETURNING seq, entry, returned, dead_reason, dead_detail, dead_queue, dead_since)
SELECT taken.seq, taken.returned, dead_reason, dead_detail, dead_queue, dead_since, {COLUMNS}
FROM taken JOIN bus.message message ON message.id = taken.entry ORDER BY taken.seq
"""  # noqa: S608  made of constants


class _Held(NamedTuple):
    seq: int
    attempt: int
    message: Message


class EmbeddedConsumer:
    """One consumer of one queue; see the port."""

    def __init__(
        self,
        pool: Pool,
        quick: Pool,
        publisher: Publisher,
        session: Session,
        queue: StoredQueue,
        *,
        number: int,
        prefetch: int,
    ) -> None:
        self._pool = pool
        self._quick = quick
        self._publisher = publisher
        self._session = session
        self._queue = queue
        self._number = number
        self._prefetch = prefetch
        self._fetched: deque[_Held] = deque()
        self._handed_out = Unsettled()
        self._seqs: dict[int, int] = {}
        self._last_tag = 0
        self._fetching: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    @classmethod
    async def register(
        cls,
        pool: Pool,
        quick: Pool,
        publisher: Publisher,
        session: Session,
        queue: StoredQueue,
        *,
        prefetch: int,
    ) -> EmbeddedConsumer:
        """Become a consumer of `queue`."""
        await clear_up_after_the_dead(pool, publisher)
        async with bus_transaction(pool) as connection:
            number = await connection.fetchval(
                """
                INSERT INTO bus.consumer (member_id, queue_id)
                SELECT id, $2 FROM bus.member WHERE id = $1 RETURNING id
                """,
                session.member,
                queue.id,
            )
        if number is None:
            raise BusLost("this process was taken for dead")
        return cls(pool, quick, publisher, session, queue, number=number, prefetch=prefetch)

    async def batch(self, limit: int, linger: timedelta = timedelta(0)) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        with self._session.wakes(str(self._queue.id)) as news:
            while not self._fetched:
                news.clear()
                await self._fetch(limit)
                if not self._fetched:
                    await self._news_or_settled(news, POLL_SECONDS)
            deadline = loop.time() + linger.total_seconds()
            while len(self._fetched) < limit and (left := deadline - loop.time()) > 0:
                had = len(self._fetched)
                news.clear()
                await self._fetch(limit - had)
                if len(self._fetched) == had:
                    await self._news_or_settled(news, left)
        return [self._hand_out() for _ in range(min(limit, len(self._fetched)))]

    async def allow(self, prefetch: int) -> None:
        self._prefetch = prefetch

    async def ack(self, upto: Delivery) -> None:
        tags = self._handed_out.settle_upto(upto.tag)
        if not tags:
            return
        seqs = [self._seqs.pop(tag) for tag in tags]
        self._settled.set()
        self._session.check()
        await self._delete(seqs)

    async def ack_one(self, delivery: Delivery) -> None:
        if not self._handed_out.settle(delivery.tag):
            return
        seq = self._seqs.pop(delivery.tag)
        self._settled.set()
        self._session.check()
        await self._delete([seq])

    async def requeue(self, delivery: Delivery) -> None:
        if not self._handed_out.settle(delivery.tag):
            return
        seq = self._seqs.pop(delivery.tag)
        self._settled.set()
        self._session.check()
        if not await give_back(self._pool, self._publisher, self._queue, self._number, [seq], leave=False):
            raise BusLost("the delivery was given to another consumer in the meantime")

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        if delivery.tag not in self._handed_out:
            return
        self._session.check()
        seq = self._seqs[delivery.tag]
        async with bus_transaction(self._pool) as connection:
            position = await take_position(connection)
            atlas = await self._publisher.atlas(connection, position)
            held = await connection.fetchval(
                "SELECT true FROM bus.delivery WHERE queue_id = $1 AND seq = $2 AND holder = $3 FOR UPDATE",
                self._queue.id,
                seq,
                self._number,
            )
            if not held:
                raise BusLost("the delivery was given to another consumer in the meantime")
            exchange = self._queue.dead_letter or DEAD_LETTER_EXCHANGE
            if kept := await bury(
                connection, atlas, self._queue, [seq], reason=reason, detail=detail, exchange=exchange
            ):
                raise Unroutable([0], kept)
        self._handed_out.settle(delivery.tag)
        del self._seqs[delivery.tag]
        self._settled.set()

    async def leave(self) -> None:
        """Give everything back: what was handed out counts as an attempt, what was only fetched does not."""
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)
        seqs = [self._seqs.pop(tag) for tag in self._handed_out.clear()]
        self._fetched.clear()
        if not self._session.lost:
            await give_back(self._pool, self._publisher, self._queue, self._number, seqs, leave=True)

    def _hand_out(self) -> Delivery:
        held = self._fetched.popleft()
        self._last_tag += 1
        self._handed_out.add(self._last_tag)
        self._seqs[self._last_tag] = held.seq
        return Delivery(held.message, self._queue.name, held.attempt, self._last_tag)

    async def _news_or_settled(self, news: asyncio.Event, seconds: float) -> bool:
        if self._room() > 0:
            return await rest(news, seconds)
        self._settled.clear()
        return await rest(self._settled, seconds)

    def _room(self) -> int:
        return self._prefetch - len(self._handed_out) - len(self._fetched)

    async def _fetch(self, wanted: int) -> None:
        # Shielded and remembered: what the database has given to us must not be lost with a cancelled caller.
        if self._fetching is None:
            self._session.check()
            room = min(wanted, self._room())
            if room <= 0:
                return
            self._fetching = asyncio.create_task(self._take(room))
        fetching = self._fetching
        try:
            await asyncio.shield(fetching)
        finally:
            if fetching.done():
                self._fetching = None

    async def _take(self, room: int) -> None:
        async with as_bus_errors():
            rows = await self._quick.fetch(_TAKE, self._queue.id, self._number, room, self._queue.ordered)
            known = rows or await self._quick.fetchval(
                "SELECT true FROM bus.consumer WHERE id = $1", self._number
            )
        if not known:
            raise BusLost("this consumer was taken for dead, or its queue was deleted")
        self._fetched.extend(_Held(row["seq"], row["returned"] + 1, delivered_message(row)) for row in rows)

    async def _delete(self, seqs: list[int]) -> None:
        async with as_bus_errors():
            status = await self._quick.execute(
                "DELETE FROM bus.delivery WHERE queue_id = $1 AND holder = $2 AND seq = ANY($3::bigint[])",
                self._queue.id,
                self._number,
                seqs,
            )
        if status != f"DELETE {len(seqs)}":
            raise BusLost("deliveries were given to another consumer in the meantime")

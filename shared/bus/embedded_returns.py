"""Deliveries that come back: from consumers that leave, and from processes that died. And dead letters."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.bus.embedded_publishing import Publisher
from shared.bus.embedded_session import LOCK_CLASS, bus_transaction, notify
from shared.bus.embedded_topology import (
    Atlas,
    StoredQueue,
    delete_queues,
    take_position,
)
from shared.store.pool import Connection, Pool

log = structlog.get_logger(__name__)

DELIVERY_LIMIT_REASON = "delivery_limit"

_DEAD_MEMBERS = """
SELECT id FROM bus.member member WHERE NOT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1 AND objid::bigint = member.id AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""

_GIVE_BACK = """
UPDATE bus.delivery SET holder = NULL, returned = returned + (seq = ANY($3::bigint[]))::int
WHERE queue_id = $1 AND holder = $2 AND ($4 OR seq = ANY($3::bigint[]))
RETURNING seq, returned
"""

_GIVE_BACK_OF_THE_DEAD = """
UPDATE bus.delivery SET holder = NULL, returned = returned + 1
WHERE queue_id = $1 AND holder = ANY($2::int[])
RETURNING seq, returned
"""


async def give_back(
    pool: Pool, publisher: Publisher, queue: StoredQueue, holder: int, seqs: Sequence[int], *, leave: bool
) -> int:
    """Return deliveries `seqs` of a consumer; each counts as an attempt. How many there were to return.

    With `leave` the consumer is gone afterwards, and what it had fetched without handing it out goes back
    uncounted. Those beyond the queue's delivery limit become dead letters.
    """
    async with bus_transaction(pool) as connection:
        position = await take_position(connection)
        if leave:
            await connection.execute("DELETE FROM bus.consumer WHERE id = $1", holder)
        rows = await connection.fetch(_GIVE_BACK, queue.id, holder, list(seqs), leave)
        atlas = await publisher.atlas(connection, position)
        await _bury_exhausted(connection, atlas, queue, [(row["seq"], row["returned"]) for row in rows])
        await notify(connection, str(queue.id))
    return len(rows)


async def clear_up_after_the_dead(pool: Pool, publisher: Publisher) -> None:
    """Give back what members held that are no more, and delete their temporary queues."""
    async with bus_transaction(pool) as connection:
        dead = [row["id"] for row in await connection.fetch(_DEAD_MEMBERS, LOCK_CLASS)]
    for member in dead:
        await _bury_member(pool, publisher, member)


async def _bury_member(pool: Pool, publisher: Publisher, member: int) -> None:
    async with bus_transaction(pool) as connection:
        position = await take_position(connection)
        free = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", LOCK_CLASS, member)
        if not free:
            return
        consumers = await connection.fetch(
            "SELECT id, queue_id FROM bus.consumer WHERE member_id = $1", member
        )
        atlas = await publisher.atlas(connection, position)
        # Consumers first: a fetch of theirs that is still under way ends before this can delete its consumer,
        # and what it took is then seen here.
        await connection.execute("DELETE FROM bus.consumer WHERE member_id = $1", member)
        touched = sorted({row["queue_id"] for row in consumers})
        ids = [row["id"] for row in consumers]
        for queue_id in touched:
            rows = await connection.fetch(_GIVE_BACK_OF_THE_DEAD, queue_id, ids)
            queue = atlas.by_id[queue_id]
            await _bury_exhausted(connection, atlas, queue, [(row["seq"], row["returned"]) for row in rows])
        own = [queue.id for queue in atlas.by_id.values() if queue.owner == member]
        if own:
            await delete_queues(connection, own)
        await connection.execute("DELETE FROM bus.member WHERE id = $1", member)
        await notify(connection, *map(str, touched))
    log.info("bus_member_gone", member=member, consumers=len(consumers), queues=len(touched))


async def _bury_exhausted(
    connection: Connection, atlas: Atlas, queue: StoredQueue, returned: Sequence[tuple[int, int]]
) -> None:
    limit = queue.delivery_limit
    exhausted = [seq for seq, times in returned if limit is not None and times > limit]
    if not exhausted:
        return
    if queue.dead_letter is None:
        await _delete(connection, queue, exhausted)
        return
    kept = await bury(
        connection,
        atlas,
        queue,
        exhausted,
        reason=DELIVERY_LIMIT_REASON,
        detail=f"given back more than {limit} times",
        exchange=queue.dead_letter,
    )
    if kept:
        log.error("bus_dead_letter_unroutable", queue=queue.name, exchange=queue.dead_letter, kept=len(kept))


async def bury(
    connection: Connection,
    atlas: Atlas,
    queue: StoredQueue,
    seqs: Sequence[int],
    *,
    reason: str,
    detail: str,
    exchange: str,
) -> list[str]:
    """Move deliveries out of `queue` into the queues bound to the dead-letter exchange.

    One that the exchange leads nowhere stays; the routing keys of those are returned. The caller has taken
    its position.
    """
    rows = await connection.fetch(
        """
        SELECT delivery.seq, delivery.entry, message.routing_key
        FROM bus.delivery delivery JOIN bus.message message ON message.id = delivery.entry
        WHERE delivery.queue_id = $1 AND delivery.seq = ANY($2::bigint[]) ORDER BY delivery.seq
        """,
        queue.id,
        list(seqs),
    )
    routed = [(row, atlas.routes.queues(exchange, row["routing_key"])) for row in rows]
    moves = [(target, row["entry"]) for row, targets in routed for target in targets]
    position = await take_position(connection, len(moves))
    await connection.execute(
        """
        INSERT INTO bus.delivery
            (queue_id, seq, entry, dead_reason, dead_detail, dead_queue, dead_since)
        SELECT queue_id, $3 + place - 1, entry, $4, $5, $6, clock_timestamp()
        FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS new (queue_id, entry, place)
        """,
        [target for target, _ in moves],
        [entry for _, entry in moves],
        position.first,
        reason,
        detail,
        queue.name,
    )
    await _delete(connection, queue, [row["seq"] for row, targets in routed if targets])
    await notify(connection, *{str(target) for target, _ in moves})
    return [row["routing_key"] for row, targets in routed if not targets]


async def _delete(connection: Connection, queue: StoredQueue, seqs: Sequence[int]) -> None:
    await connection.execute(
        "DELETE FROM bus.delivery WHERE queue_id = $1 AND seq = ANY($2::bigint[])", queue.id, list(seqs)
    )

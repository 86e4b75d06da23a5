"""Publishing on the embedded bus: a window of messages is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared.bus.embedded_messages import insert_messages
from shared.bus.embedded_session import LOCK_CLASS, LOG_KEY, bus_transaction, notify
from shared.bus.embedded_topology import EMPTY, Atlas, Position, read_atlas, take_position
from shared.bus.port import BusLost, Message, PublishFailed, Unroutable
from shared.store.pool import Connection, Pool

WINDOW = 1000
"""Messages per transaction. Larger ones gain nothing and keep other publishers waiting."""

WINDOW_BYTES = 8 * 1024 * 1024

_ALIVE = """
SELECT objid::bigint::int FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1 AND objid::bigint = ANY($2::bigint[])
  AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass
class _Plan:
    """What a window becomes: rows of messages and deliveries, and the indices that go nowhere."""

    messages: list[tuple[int, bool, Message]] = field(default_factory=list)
    queues: list[int] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    unroutable: list[int] = field(default_factory=list)


class Publisher:
    """Publishes for one process. Knows queues and bindings as long as nobody changes them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._atlas: Atlas = EMPTY

    async def publish(self, exchange: str | None, messages: Sequence[Message]) -> None:
        """Publish to an exchange, or with None to the queues that the routing keys name.

        Raises `PublishFailed`, `Unroutable`; both with indices into `messages`.
        """
        unroutable: list[int] = []
        for start, window in _windows(messages):
            try:
                unroutable += [start + index for index in await self._publish_window(exchange, window)]
            except BusLost as error:
                raise PublishFailed(range(start, len(messages)), str(error)) from error
        if unroutable:
            raise Unroutable(unroutable, [messages[index].routing_key for index in unroutable])

    async def atlas(self, connection: Connection, position: Position) -> Atlas:
        """Queues and bindings as they are for this transaction, which has taken its position."""
        if self._atlas.version != position.topology:
            self._atlas = await read_atlas(connection, position.topology)
        return self._atlas

    async def _publish_window(self, exchange: str | None, window: Sequence[Message]) -> list[int]:
        size = sum(len(message.body) for message in window)
        async with bus_transaction(self._pool) as connection:
            position = await take_position(connection, len(window), size)
            atlas = await self.atlas(connection, position)
            if exchange is None:
                targets = await _named(connection, atlas, window)
            else:
                targets = [atlas.routes.queues(exchange, message.routing_key) for message in window]
            plan = _plan(atlas, position.first, window, targets)
            unlogged = size - sum(len(message.body) for _, logged, message in plan.messages if logged)
            if unlogged:
                await connection.execute("UPDATE bus.position SET logged_bytes = logged_bytes - $1", unlogged)
            await _insert(connection, plan, position)
        return plan.unroutable


def _windows(messages: Sequence[Message]) -> Iterator[tuple[int, Sequence[Message]]]:
    start, size = 0, 0
    for index, message in enumerate(messages):
        if index > start and (index - start >= WINDOW or size + len(message.body) > WINDOW_BYTES):
            yield start, messages[start:index]
            start, size = index, 0
        size += len(message.body)
    if start < len(messages):
        yield start, messages[start:]


async def _named(connection: Connection, atlas: Atlas, window: Sequence[Message]) -> list[tuple[int, ...]]:
    named = [atlas.by_name.get(message.routing_key) for message in window]
    owners = {queue.owner for queue in named if queue is not None and queue.owner is not None}
    alive: set[int | None] = {None}
    if owners:
        # The queue of a killed requester stays until somebody clears up; an answer into it would be lost.
        alive |= {row[0] for row in await connection.fetch(_ALIVE, LOCK_CLASS, list(owners))}
    return [(queue.id,) if queue is not None and queue.owner in alive else () for queue in named]


def _plan(atlas: Atlas, first: int, window: Sequence[Message], targets: Sequence[tuple[int, ...]]) -> _Plan:
    plan = _Plan()
    for index, (message, queues) in enumerate(zip(window, targets, strict=True)):
        if not queues:
            plan.unroutable.append(index)
            continue
        waiting = [queue for queue in queues if atlas.by_id[queue].kind != "stream"]
        plan.messages.append((first + index, len(waiting) < len(queues), message))
        plan.queues += waiting
        plan.seqs += [first + index] * len(waiting)
    return plan


async def _insert(connection: Connection, plan: _Plan, position: Position) -> None:
    if plan.messages:
        await insert_messages(connection, plan.messages, position.time)
    if plan.queues:
        await connection.execute(
            """
            INSERT INTO bus.delivery (queue_id, seq, entry)
            SELECT queue_id, seq, seq FROM unnest($1::int[], $2::bigint[]) AS new (queue_id, seq)
            """,
            plan.queues,
            plan.seqs,
        )
    keys = {str(queue) for queue in plan.queues}
    if any(logged for _, logged, _ in plan.messages):
        keys.add(LOG_KEY)
    await notify(connection, *sorted(keys))

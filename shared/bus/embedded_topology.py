"""Queues and bindings of the embedded bus: declaring them, and knowing where a message goes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.embedded_session import bus_transaction
from shared.bus.port import TopologyMismatch
from shared.bus.topics import Binding, Routes
from shared.events.topology import Queue, Topology
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool

_COMPARED = ("kind", "ordered", "delivery_limit", "dead_letter", "max_age_hours", "max_bytes")


@dataclass(frozen=True, slots=True)
class StoredQueue:
    """A row of bus.queue. `owner` is the member a temporary queue belongs to."""

    id: int
    name: str
    kind: str
    ordered: bool
    delivery_limit: int | None
    dead_letter: str | None
    max_age_hours: int | None
    max_bytes: int | None
    owner: int | None


@dataclass(frozen=True, slots=True)
class Atlas:
    """All queues and bindings as of one version of the topology."""

    version: int
    by_name: dict[str, StoredQueue]
    by_id: dict[int, StoredQueue]
    routes: Routes


EMPTY = Atlas(0, {}, {}, Routes(()))


@dataclass(frozen=True, slots=True)
class Position:
    """What a place in the line of publishers gives: the first id, the time, the topology's version."""

    first: int
    time: object
    topology: int


async def take_position(connection: Connection, count: int = 0, logged_bytes: int = 0) -> Position:
    """Stand in the line of publishers until the transaction ends, and get `count` ids.

    First lock of every transaction that needs it, before any row of member, consumer or delivery: that order
    keeps transactions from waiting for each other in a circle.
    """
    row = await connection.fetchrow(
        """
        UPDATE bus.position
        SET next = next + $1, time = greatest(time, clock_timestamp()), logged_bytes = logged_bytes + $2
        RETURNING next - $1 AS first, time, topology
        """,
        count,
        logged_bytes,
    )
    if row is None:
        raise PermanentError("bus.position lost its row", code="bus_broken", hint="restore the database")
    return Position(row["first"], row["time"], row["topology"])


async def read_atlas(connection: Connection, version: int) -> Atlas:
    """All queues and bindings; `version` is what bus.position says in this transaction."""
    queues = [
        StoredQueue(**row)
        for row in await connection.fetch(
            "SELECT id, name, kind, ordered, delivery_limit, dead_letter, max_age_hours, max_bytes, owner "
            "FROM bus.queue"
        )
    ]
    bindings = await connection.fetch("SELECT exchange, pattern, queue_id AS queue FROM bus.binding")
    return Atlas(
        version=version,
        by_name={queue.name: queue for queue in queues},
        by_id={queue.id: queue for queue in queues},
        routes=Routes(Binding(**row) for row in bindings),
    )


async def declare(pool: Pool, topology: Topology) -> None:
    """Make what is missing. Raises `TopologyMismatch` and makes nothing when a queue has other arguments."""
    if sum(queue.kind == "stream" for queue in topology.queues) > 1:
        raise ValueError("the embedded bus keeps one log; the topology has several streams")
    async with bus_transaction(pool) as connection:
        position = await take_position(connection)
        atlas = await read_atlas(connection, position.topology)
        changed = False
        for queue in topology.queues:
            stored = atlas.by_name.get(queue.name)
            if stored is not None:
                _compare(queue, stored)
                queue_id = stored.id
            else:
                queue_id = await _insert(connection, queue)
                changed = True
            changed |= await _bind(connection, queue_id, queue.exchange, queue.bindings)
        if changed:
            await topology_changed(connection)


async def declare_temporary(pool: Pool, owner: int, exchange: str, bindings: Sequence[str]) -> StoredQueue:
    """Make a queue that lives as long as the member `owner`, or until it is deleted."""
    name = f"temporary.{uuid.uuid4()}"
    async with bus_transaction(pool) as connection:
        await take_position(connection)
        queue_id = await connection.fetchval(
            "INSERT INTO bus.queue (name, kind, owner) VALUES ($1, 'quorum', $2) RETURNING id", name, owner
        )
        await _bind(connection, queue_id, exchange, bindings)
        await topology_changed(connection)
    return StoredQueue(queue_id, name, "quorum", False, None, None, None, None, owner)


async def delete_queues(connection: Connection, ids: Sequence[int]) -> None:
    """Delete queues with what is in them. The caller has taken its position."""
    await connection.execute("DELETE FROM bus.queue WHERE id = ANY($1::int[])", ids)
    await connection.execute("DELETE FROM bus.delivery WHERE queue_id = ANY($1::int[])", ids)
    await topology_changed(connection)


async def topology_changed(connection: Connection) -> None:
    """Make every publisher read queues and bindings again before its next message."""
    await connection.execute("UPDATE bus.position SET topology = topology + 1")


async def _insert(connection: Connection, queue: Queue) -> int:
    queue_id: int = await connection.fetchval(
        """
        INSERT INTO bus.queue (name, kind, ordered, delivery_limit, dead_letter, max_age_hours, max_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
        """,
        queue.name,
        *(getattr(queue, name) for name in _COMPARED),
    )
    return queue_id


async def _bind(connection: Connection, queue_id: int, exchange: str, patterns: Sequence[str]) -> bool:
    made = await connection.fetch(
        """
        INSERT INTO bus.binding (queue_id, exchange, pattern) SELECT $1, $2, unnest($3::text[])
        ON CONFLICT DO NOTHING RETURNING pattern
        """,
        queue_id,
        exchange,
        list(patterns),
    )
    return bool(made)


def _compare(wanted: Queue, stored: StoredQueue) -> None:
    for name in _COMPARED:
        has, wants = getattr(stored, name), getattr(wanted, name)
        if has != wants:
            raise TopologyMismatch(
                f"queue {wanted.name!r} exists with {name} {has!r}, this release wants {wants!r}",
                code="topology_mismatch",
                hint="let the queue run empty, stop the services, delete its row in bus.queue, start again",
            )

"""The outbox: messages written in the transaction whose outcome they tell, published after it by the relay.

An idle relay is woken by a notification. PostgreSQL makes transactions that notify commit one after the
other, so under load, when the relay is at work anyway, nobody should. Hence `IDLE`: the relay holds it while
it sleeps; a writer takes it, shared, until it commits. Who can't have it notifies. Who has it keeps the relay
from falling asleep before it has seen what is being written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.bus.port import Message
from shared.store.pool import Connection

CHANNEL = "bus_outbox"
IDLE = 0x7061_7463_6862_0003

INSERT = f"""
WITH written AS (
    INSERT INTO bus.outbox (
        to_queue, body, routing_key, message_id, type, subject, content_type,
        correlation_id, reply_to, headers
    )
    SELECT $1, * FROM unnest(
        $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::jsonb[]
    )
)
SELECT CASE WHEN NOT pg_try_advisory_xact_lock_shared({IDLE}) THEN pg_notify('{CHANNEL}', '') END
"""  # noqa: S608  our own constants

READ = """
SELECT id, to_queue, body, routing_key, message_id, type, subject, content_type,
    correlation_id, reply_to, headers
FROM bus.outbox
WHERE id > $1 AND id <> ALL ($2::bigint[])
ORDER BY id
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A message in the outbox."""

    id: int
    to_queue: bool
    message: Message


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait, and for how long the oldest one has, in seconds."""

    messages: int
    oldest: float


async def enqueue(connection: Connection, messages: Sequence[Message], *, to_queue: bool = False) -> None:
    """Send `messages` when, and only if, the transaction that `connection` is in commits.

    With `to_queue` their routing keys are queues' names: replies. One statement, however many they are.
    """
    if not messages:
        return
    await connection.execute(
        INSERT,
        to_queue,
        [message.body for message in messages],
        [message.routing_key for message in messages],
        [message.message_id for message in messages],
        [message.type for message in messages],
        [message.subject for message in messages],
        [message.content_type for message in messages],
        [message.correlation_id for message in messages],
        [message.reply_to for message in messages],
        [dict(message.headers) for message in messages],
    )


async def read(connection: Connection, *, after: int, without: Sequence[int], limit: int) -> list[Row]:
    """The next messages in the order they were written, beyond id `after`, leaving out some ids."""
    return [_row(record) for record in await connection.fetch(READ, after, without, limit)]


async def delete(connection: Connection, ids: Sequence[int]) -> None:
    """Forget messages that the bus has."""
    await connection.execute("DELETE FROM bus.outbox WHERE id = ANY ($1::bigint[])", ids)


async def depth(connection: Connection) -> Depth:
    """How full the outbox is, by the database's clock."""
    record = await connection.fetchrow(
        "SELECT count(*) AS messages,"
        " coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest FROM bus.outbox"
    )
    assert record is not None  # noqa: S101  an aggregate has one row
    return Depth(record["messages"], max(record["oldest"], 0.0))


def _row(record: Any) -> Row:
    message = Message(
        body=record["body"],
        routing_key=record["routing_key"],
        message_id=record["message_id"],
        type=record["type"],
        subject=record["subject"],
        content_type=record["content_type"],
        correlation_id=record["correlation_id"],
        reply_to=record["reply_to"],
        headers=record["headers"],
    )
    return Row(record["id"], record["to_queue"], message)

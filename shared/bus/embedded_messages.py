"""Messages as rows of the embedded bus, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.bus.port import (
    DETAIL_HEADER,
    QUEUE_HEADER,
    REASON_HEADER,
    TIME_HEADER,
    DeadLetter,
    HeaderValue,
    LogEntry,
    Message,
)
from shared.store.pool import Connection

COLUMNS = "routing_key, message_id, type, subject, content_type, correlation_id, reply_to, headers, body"
"""Columns of bus.message that make up a `Message`."""

_INSERT = f"""
INSERT INTO bus.message (id, time, logged, {COLUMNS})
SELECT id, $12, logged, {COLUMNS}
FROM unnest($1::bigint[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::jsonb[], $11::bytea[]) AS new (id, logged, {COLUMNS})
"""  # noqa: S608  made of constants


async def insert_messages(
    connection: Connection, rows: Sequence[tuple[int, bool, Message]], time: object
) -> None:
    """Store messages; each with its id and whether the log has it."""
    await connection.execute(
        _INSERT,
        [number for number, _, _ in rows],
        [logged for _, logged, _ in rows],
        [message.routing_key for _, _, message in rows],
        [message.message_id for _, _, message in rows],
        [message.type for _, _, message in rows],
        [message.subject for _, _, message in rows],
        [message.content_type for _, _, message in rows],
        [message.correlation_id for _, _, message in rows],
        [message.reply_to for _, _, message in rows],
        [dict(message.headers) for _, _, message in rows],
        [message.body for _, _, message in rows],
        time,
    )


def message_of_row(row: asyncpg.Record, extra: dict[str, HeaderValue] | None = None) -> Message:
    """The message in a row that has `COLUMNS`."""
    headers = row["headers"]
    return Message(
        body=row["body"],
        routing_key=row["routing_key"],
        message_id=row["message_id"],
        type=row["type"],
        subject=row["subject"],
        content_type=row["content_type"],
        correlation_id=row["correlation_id"],
        reply_to=row["reply_to"],
        headers=headers | extra if extra else headers,
    )


def delivered_message(row: asyncpg.Record) -> Message:
    """The message of a delivery; one out of the dead-letter queue says in its headers why it is there."""
    if row["dead_reason"] is None:
        return message_of_row(row)
    why: dict[str, HeaderValue] = {
        REASON_HEADER: row["dead_reason"],
        DETAIL_HEADER: row["dead_detail"],
        QUEUE_HEADER: row["dead_queue"],
        TIME_HEADER: row["dead_since"].isoformat(),
    }
    return message_of_row(row, why)


def dead_letter_of_row(row: asyncpg.Record) -> DeadLetter:
    """A delivery of the dead-letter queue. One that somebody published there has no reason."""
    since: datetime | None = row["dead_since"]
    return DeadLetter(
        message=message_of_row(row),
        reason=row["dead_reason"] or "",
        detail=row["dead_detail"] or "",
        queue=row["dead_queue"] or "",
        since=since,
    )


def log_entry_of_row(row: asyncpg.Record) -> LogEntry:
    """An entry of the log."""
    return LogEntry(offset=row["id"], time=row["time"], message=message_of_row(row))

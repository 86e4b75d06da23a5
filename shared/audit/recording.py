"""Writes what became of a command, in the command's own transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from shared.bus.port import Message
from shared.events.commands import Command, CommandReplied, Complaint
from shared.events.envelope import Envelope
from shared.store.pool import Connection, Pool, transaction

Outcome = Literal["accepted", "refused", "tried"]
OBJECTS = 200
"""Words that one command is found by, at most."""
CHANGES = 1000
"""Events noted with one command, at most; the log has them all, under its correlation id."""
AT_ONCE = 5000

_ORIGIN = re.compile(r"^(?P<program>\S+) (?P<user>[^@\s]+)@(?P<host>\S+)$")
# Words about the asking, and not about what is asked for.
_NOT_OBJECTS = frozenset({"by", "note", "dry_run", "labels", "domain", "scope", "policy"})

_INSERT = """
INSERT INTO audit.command (
    id, type, subject, at, by, program, os_user, host, service, outcome, code, message, asked, result,
    changes, objects
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (id) DO NOTHING
"""


class Place(NamedTuple):
    """Where a command came from."""

    program: str | None = None
    os_user: str | None = None
    host: str | None = None

    @classmethod
    def of(cls, origin: str | None) -> Place:
        """Out of an envelope's `origin`: "program user@host", or whatever a sender wrote there."""
        if origin is None:
            return cls()
        found = _ORIGIN.match(origin)
        return cls(origin) if found is None else cls(found["program"], found["user"], found["host"])


async def record(
    conn: Connection,
    envelope: Envelope[Any],
    service: str,
    answer: CommandReplied,
    events: Iterable[Message] = (),
) -> None:
    """Note what `service` answered to a command, and the events that tell what changed by it."""
    command = envelope.data
    asked = command.model_dump(mode="json")
    tried = bool(asked.get("dry_run"))
    outcome: Outcome = "refused" if answer.complaint is not None else "tried" if tried else "accepted"
    changes = [
        {"id": message.message_id, "type": message.type, "subject": message.subject} for message in events
    ][:CHANGES]
    result = None if answer.result is None else {k: v for k, v in answer.result.items() if k != "events"}
    words = {envelope.subject, *_words(asked), *_words(result)}
    words |= {change["subject"] for change in changes}
    place = Place.of(envelope.origin)
    by = command.by if isinstance(command, Command) else "unknown"
    await conn.execute(
        _INSERT,
        *(envelope.id, envelope.type, envelope.subject, envelope.time, by, *place, service, outcome),
        *_complaint(answer.complaint),
        *(asked, result, changes, _searched(words)),
    )


async def note(
    pool: Pool,
    kind: str,
    subject: str,
    *,
    at: datetime,
    by: str,
    origin: str,
    asked: dict[str, Any],
    result: dict[str, Any] | None = None,
) -> None:
    """Note what an operator did without a command over the bus, such as registering a vCenter."""
    words = {subject, *_words(asked), *_words(result)}
    async with transaction(pool) as conn:
        await conn.execute(
            _INSERT,
            *(str(uuid4()), kind, subject, at, by, *Place.of(origin), "cli", "accepted", None, None),
            *(asked, result, [], _searched(words)),
        )


async def prune(pool: Pool, before: datetime) -> int:
    """Forget commands given before `before`, some thousand at a time; how many."""
    total = 0
    while True:
        async with transaction(pool) as conn:
            told = await conn.execute(
                "DELETE FROM audit.command WHERE id IN"
                " (SELECT id FROM audit.command WHERE at < $1 ORDER BY at LIMIT $2)",
                *(before, AT_ONCE),
            )
        gone = int(told.split()[-1])
        total += gone
        if gone < AT_ONCE:
            return total


def kept_since(now: datetime, days: float) -> datetime:
    """What is older is forgotten."""
    return now - timedelta(days=days)


def _complaint(complaint: Complaint | None) -> tuple[str | None, str | None]:
    return (None, None) if complaint is None else (complaint.code, complaint.message)


def _searched(words: Iterable[str]) -> list[str]:
    return sorted({word.lower() for word in words if word})[:OBJECTS]


def _words(data: Any) -> Iterator[str]:
    """Short texts anywhere in `data`: names, ids, addresses."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key not in _NOT_OBJECTS:
                yield from _words(value)
    elif isinstance(data, list):
        for item in data:
            yield from _words(item)
    elif isinstance(data, str) and len(data) <= 200:
        yield data

"""Who asked for what: lists and single commands, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.store.pool import Connection

COLUMNS = """
id, type, subject, at, by, program, os_user, host, service, outcome, code, message, asked, result, changes
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A command as it is kept."""

    id: str
    type: str
    subject: str
    at: datetime
    by: str
    program: str | None
    os_user: str | None
    host: str | None
    service: str
    outcome: str
    code: str | None
    message: str | None
    asked: dict[str, Any]
    result: dict[str, Any] | None
    changes: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to see of the record; what is None is not asked."""

    by: str | None = None
    """A name, in whatever case; also the account on the machine."""
    since: datetime | None = None
    until: datetime | None = None
    about: str | None = None
    """An object: name, id, address, MAC or subject."""
    kind: str | None = None
    """A type or its beginning: "subnet", "command.subnet.create"."""
    outcome: str | None = None


async def list_commands(conn: Connection, asked: Asked, limit: int) -> list[Recorded]:
    """Commands, newest first."""
    kind = None
    if asked.kind is not None:
        kind = asked.kind if asked.kind.startswith("command.") else f"command.{asked.kind}"
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM audit.command
        WHERE ($1::text IS NULL OR lower(by) = lower($1) OR lower(os_user) = lower($1))
          AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
          AND ($4::text IS NULL OR objects @> ARRAY[lower($4)]
               OR EXISTS (SELECT FROM unnest(objects) o WHERE o LIKE '%/' || lower($4)))
          AND ($5::text IS NULL OR starts_with(type || '.', $5 || '.') OR starts_with(type || '.', $6 || '.'))
          AND ($7::text IS NULL OR outcome = $7)
        ORDER BY at DESC, id LIMIT $8
        """,  # noqa: S608  constants of ours
        *(asked.by, asked.since, asked.until, asked.about, kind, asked.kind, asked.outcome, limit),
    )
    return [Recorded(**dict(row)) for row in rows]


async def find_commands(conn: Connection, which: str) -> Sequence[Recorded]:
    """Commands whose id is, or begins with, `which`; at most two, so that one can tell."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM audit.command WHERE id = $1 OR starts_with(id, $1)"  # noqa: S608  constants
        " ORDER BY id <> $1, at LIMIT 2",
        which,
    )
    if rows and rows[0]["id"] == which:
        rows = rows[:1]
    return [Recorded(**dict(row)) for row in rows]

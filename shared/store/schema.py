"""Which schema this release works with, and whether a database has it. What brings it there is `migrate`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import asyncpg

from shared.runtime.errors import PermanentError
from shared.store.connection import connect, translate_errors

MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaOutdated(PermanentError):
    """The database is behind this release."""


class SchemaUnknown(PermanentError):
    """The database is ahead of this release, or its history is not ours."""


@cache
def history() -> tuple[str, ...]:
    """The revisions this release knows, oldest first.

    Read off the files' names: asking Alembic would cost every command half a second of imports.
    """
    revisions = sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    if not revisions:
        raise PermanentError(
            "this installation has no migrations; install Patchbay again", code="no_migrations"
        )
    return tuple(revisions)


def head() -> str:
    """The revision this release works with."""
    return history()[-1]


async def current(url: str) -> str | None:
    """The revision of the database at `url`; None when it was never upgraded. Raises `TransientError`."""
    connection = await connect(url, name="patchbay-schema")
    try:
        async with translate_errors():
            return await _revision(connection)
    finally:
        await connection.close()


async def require_current(url: str) -> None:
    """Raises `SchemaOutdated` or `SchemaUnknown`, with what to do, unless the schema is the one we know."""
    found = await current(url)
    if found == head():
        return
    if found is None or found in history():
        raise SchemaOutdated(
            f"the database is at schema {found or 'none'}, this release needs {head()}",
            code="schema_outdated",
            hint="run 'patchbay db upgrade'",
        )
    raise unknown(found)


def unknown(found: str) -> SchemaUnknown:
    """The refusal of a database whose revision `found` is none of ours."""
    return SchemaUnknown(
        f"the database is at schema {found}, which this release (schema {head()}) does not know",
        code="schema_unknown",
        hint="run the release that upgraded the database, or newer; then 'patchbay db upgrade'",
    )


async def _revision(connection: asyncpg.Connection[asyncpg.Record]) -> str | None:
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    return revision

"""Brings a database to the schema this release knows, and tells whether it is there."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.runtime.errors import PermanentError
from shared.store.connection import connect, translate_errors

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK = 0x7061_7463_6862_0001
"""The advisory lock that upgrades take turns with."""


class SchemaOutdated(PermanentError):
    """The database is behind this release."""


class SchemaUnknown(PermanentError):
    """The database is ahead of this release, or its history is not ours."""


@cache
def head() -> str:
    """The revision this release works with."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise PermanentError(
            "this installation has no migrations; install Patchbay again", code="no_migrations"
        )
    return revision


async def current(url: str) -> str | None:
    """The revision of the database at `url`; None when it was never upgraded. Raises `TransientError`."""
    connection = await connect(url, name="patchbay-schema")
    try:
        async with translate_errors():
            return await _revision(connection)
    finally:
        await connection.close()


async def upgrade(url: str) -> str:
    """Run what is missing, all or nothing, and return the revision reached. Two at once take turns.

    Raises `SchemaUnknown` when the database belongs to a newer release, `TransientError` when it is gone.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(url, name="patchbay-upgrade", command_timeout=None),
        poolclass=NullPool,
    )
    try:
        async with translate_errors(), engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return head()


async def require_current(url: str) -> None:
    """Raises `SchemaOutdated` or `SchemaUnknown`, with what to do, unless the schema is the one we know."""
    found = await current(url)
    expected = await asyncio.to_thread(head)
    if found == expected:
        return
    if found is None or found in _history():
        raise SchemaOutdated(
            f"the database is at schema {found or 'none'}, this release needs {expected}",
            code="schema_outdated",
            hint="run 'patchbay db upgrade'",
        )
    raise _unknown(found)


def _unknown(found: str) -> SchemaUnknown:
    return SchemaUnknown(
        f"the database is at schema {found}, which this release (schema {head()}) does not know",
        code="schema_unknown",
        hint="run the release that upgraded the database, or newer; then 'patchbay db upgrade'",
    )


def _upgrade(connection: Connection) -> None:
    # One transaction for lock and steps: whoever waited reads the revision that the other one left.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    known = connection.execute(text("SELECT to_regclass('public.alembic_version') IS NOT NULL")).scalar_one()
    if known:
        found = connection.execute(
            text("SELECT version_num FROM public.alembic_version")
        ).scalar_one_or_none()
        if found is not None and found not in _history():
            raise _unknown(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _revision(connection: asyncpg.Connection[asyncpg.Record]) -> str | None:
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    return revision


@cache
def _history() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

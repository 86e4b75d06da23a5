"""Brings a database to the schema this release knows."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.store.connection import connect, translate_errors
from shared.store.schema import MIGRATIONS, head, history, unknown

LOCK = 0x7061_7463_6862_0001
"""The advisory lock that upgrades take turns with."""


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


def _upgrade(connection: Connection) -> None:
    # One transaction for lock and steps: whoever waited reads the revision that the other one left.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    known = connection.execute(text("SELECT to_regclass('public.alembic_version') IS NOT NULL")).scalar_one()
    if known:
        found = connection.execute(
            text("SELECT version_num FROM public.alembic_version")
        ).scalar_one_or_none()
        if found is not None and found not in history():
            raise unknown(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

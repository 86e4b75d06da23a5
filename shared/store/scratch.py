"""Databases beside the live one, on the same server or another: made, used, and thrown away or kept."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared.runtime.errors import PermanentError
from shared.store.connection import connect, plain, translate_errors

PREFIX = "patchbay_scratch_"
"""What the names of such databases begin with: nothing else is ever taken for one, or removed."""

# Nothing that is said while a state is made again is to be published a second time.
_SILENCE = """
CREATE FUNCTION bus.discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER discarded BEFORE INSERT ON bus.outbox FOR EACH ROW EXECUTE FUNCTION bus.discard();
"""


@dataclass
class Scratch:
    """A database of our own. It goes with the block that made it unless `keep` is set."""

    url: str
    name: str
    keep: bool = False


@asynccontextmanager
async def scratch_database(url: str, purpose: str) -> AsyncIterator[Scratch]:
    """A migrated database beside the one at `url`, whose outbox swallows what is put into it.

    Raises `PermanentError` scratch_refused when the role may not make databases there.
    """
    name = f"{PREFIX}{purpose}_{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"
    scratch = Scratch(beside(url, name), name)
    await _create(url, name)
    try:
        from shared.store.migrate import upgrade  # noqa: PLC0415  Alembic is slow to import

        await upgrade(scratch.url)
        await _run(scratch.url, _SILENCE)
        yield scratch
    finally:
        if not scratch.keep:
            await _run(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def scratch_names(url: str) -> list[str]:
    """The databases of this kind on the server of `url`, oldest first within a purpose."""
    connection = await connect(url, name="patchbay-scratch")
    try:
        rows = await connection.fetch(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY datname", PREFIX
        )
    finally:
        await connection.close()
    return [row["datname"] for row in rows]


async def drop_scratch(url: str, name: str) -> None:
    """Throw a database of this kind away. Raises `PermanentError` scratch_unknown."""
    if name not in await scratch_names(url):
        raise PermanentError(f"there is no database {name!r} of an earlier rebuild", code="scratch_unknown")
    await _run(url, f'DROP DATABASE "{name}" WITH (FORCE)')


def beside(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(plain(url))._replace(path=f"/{name}"))


async def _create(url: str, name: str) -> None:
    try:
        # From an empty one: nobody can be connected to it, as somebody may be to others.
        await _run(url, f'CREATE DATABASE "{name}" TEMPLATE template0')
        # It can be made again: no need to wait for the disk.
        await _run(url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    except asyncpg.InsufficientPrivilegeError:
        user = urlsplit(plain(url)).username or "its role"
        raise PermanentError(
            f"{user} may not create a database on this PostgreSQL, which a rebuild needs for a while",
            code="scratch_refused",
            hint=f"allow it (ALTER ROLE {user} CREATEDB), or name another server that does: --scratch URL",
        ) from None


async def _run(url: str, statement: str) -> None:
    connection = await connect(url, name="patchbay-scratch", command_timeout=None)
    try:
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            raise
        except asyncpg.PostgresError:
            async with translate_errors():
                raise
    finally:
        await connection.close()

"""One connection to PostgreSQL, and its errors in our words."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import SecretStr

from shared.runtime.errors import ConflictError, PatchbayError, PermanentError, TransientError
from shared.store.dialing import dial
from shared.store.inet_columns import inet_bytes, of_inet
from shared.store.json_columns import json_bytes, jsonb_bytes, of_json, of_jsonb

CONNECT_TIMEOUT = 10.0
"""Seconds for one attempt to connect."""

CONFLICTS: tuple[type[asyncpg.PostgresError], ...] = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.ExclusionViolationError,
    asyncpg.LockNotAvailableError,
)
"""Somebody else wrote what we wanted to write, or wanted the same at the same time."""

STARTING: tuple[type[BaseException], ...] = (
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    TimeoutError,
)
"""What connecting to a server that starts, restarts or is full looks like."""

LOST: tuple[type[BaseException], ...] = (
    *STARTING,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # "cannot switch to state …": what the driver says when the server hung up just before a statement
    asyncpg.InternalClientError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the server bears with a connection, in seconds; 0 is without end.

    An insurance: a process that hangs half-way through a transaction would hold its locks against all
    others for as long as its connection lives. The server ends it instead.
    """

    statement: float = 120.0
    """One statement."""
    idle_in_transaction: float = 300.0
    """Silence within a transaction."""


LIMITS = Limits()
"""What holds where nothing else is set."""


class DatabaseLost(TransientError):
    """PostgreSQL is not reachable, restarts, or is out of room."""


class WriteConflict(ConflictError):
    """Another transaction was faster. `constraint` names the rule that said so, if one did."""

    def __init__(self, message: str, constraint: str | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint


def plain(url: SecretStr | str) -> str:
    """The URL as text, with the driver suffix that SQLAlchemy's users write cut off."""
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    scheme, separator, rest = text.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


async def connect(
    url: SecretStr | str, *, name: str, command_timeout: float | None = 60.0
) -> asyncpg.Connection[asyncpg.Record]:
    """Connect once. Times are UTC, json columns are Python objects, `name` shows in pg_stat_activity.

    Raises `DatabaseLost` when the server is not there (yet), `PermanentError` when it will not have us.
    """
    async with translate_errors():
        try:
            connection = await dial_again(
                plain(url),
                timeout=CONNECT_TIMEOUT,
                command_timeout=command_timeout,
                server_settings=server_settings(name),
            )
        except FileNotFoundError as error:
            raise DatabaseLost("the unix socket of PostgreSQL is not there (yet)") from error
        except ValueError:
            # The driver's message quotes the URL, or the piece of a password that it took for a port.
            raise PermanentError(
                "PATCHBAY_DATABASE_URL is not a PostgreSQL URL",
                code="database_url",
                hint="write it as postgresql://user:password@host:5432/database,"
                " special characters of the password percent-encoded",
            ) from None
        await prepare(connection)
        return connection


_ADMITTED: set[str] = set()
"""URLs that let this process in once. Then a refused login is a password that is just being changed."""


async def dial_again(url: str, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
    """As `dial`; who was let in before is not refused for good, but `DatabaseLost` until let in again."""
    try:
        connection = await dial(url, **options)
    except (PermanentError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        if url not in _ADMITTED:
            raise
        raise DatabaseLost(f"PostgreSQL no longer takes our login: {error}") from error
    _ADMITTED.add(url)
    return connection


def server_settings(name: str, limits: Limits | None = None) -> dict[str, str]:
    """What each of our connections asks of the server."""
    asked = {"application_name": name[:63], "timezone": "UTC"}
    if limits is not None:
        asked["statement_timeout"] = str(round(limits.statement * 1000))
        asked["idle_in_transaction_session_timeout"] = str(round(limits.idle_in_transaction * 1000))
    return asked


async def prepare(connection: asyncpg.Connection[Any]) -> None:
    """Teach a new connection our types. In binary form, so that COPY takes them too."""
    await connection.set_type_codec(
        "json", encoder=json_bytes, decoder=of_json, schema="pg_catalog", format="binary"
    )
    await connection.set_type_codec(
        "jsonb", encoder=jsonb_bytes, decoder=of_jsonb, schema="pg_catalog", format="binary"
    )
    await connection.set_type_codec(
        "inet", encoder=inet_bytes, decoder=of_inet, schema="pg_catalog", format="binary"
    )


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Errors of the driver leave as `ConflictError`, `TransientError` or `PermanentError`, with their cause.

    No message carries a URL or a password (G9): the driver's own do not, and ours are made from them.
    """
    try:
        yield
    except PatchbayError:
        raise
    except CONFLICTS as error:
        constraint = getattr(error, "constraint_name", None)
        raise WriteConflict(f"another transaction was faster: {error}", constraint) from error
    except LOST as error:
        raise DatabaseLost(f"PostgreSQL is not available: {error or type(error).__name__}") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise PermanentError(
            f"PostgreSQL refused the login: {error}",
            code="database_login",
            hint="check user, password and database name in PATCHBAY_DATABASE_URL",
        ) from error
    except socket.gaierror as error:
        raise DatabaseLost(f"the database's host name is not known: {error.strerror}") from error
    except asyncpg.InterfaceError as error:
        # The connection or the pool went away between two statements. Other interface errors are defects.
        if "closed" not in str(error) and "closing" not in str(error):
            raise
        raise DatabaseLost(f"the connection to PostgreSQL is gone: {error}") from error

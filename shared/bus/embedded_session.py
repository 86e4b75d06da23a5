"""A process's presence on the embedded bus: one session that proves it is alive and hears what is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncpg

from shared.bus.port import BusLost
from shared.runtime.errors import PermanentError
from shared.store.connection import DatabaseLost, connect, translate_errors
from shared.store.pool import Connection, Pool, transaction

LOCK_CLASS = 28770
"""First half of the advisory locks that say "this member is alive"; the second half is the member's id."""

CHANNEL = "patchbay_bus"
LOG_KEY = "log"
"""Notified when the log grew. Queues are notified by their id."""

_SIGN_OFF = """
DELETE FROM bus.member WHERE id = $1
  AND NOT EXISTS (SELECT FROM bus.consumer WHERE member_id = $1)
  AND NOT EXISTS (SELECT FROM bus.queue WHERE owner = $1)
"""


@asynccontextmanager
async def as_bus_errors() -> AsyncIterator[None]:
    """Errors of the database in the words of the bus."""
    try:
        async with translate_errors():
            yield
    except DatabaseLost as error:
        raise BusLost(f"the embedded bus is not reachable: {error}") from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise PermanentError(
            "the database has no embedded bus", code="schema_outdated", hint="run 'patchbay db upgrade'"
        ) from error


@asynccontextmanager
async def bus_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction whose errors are those of the bus."""
    async with as_bus_errors(), transaction(pool) as connection:
        yield connection


async def notify(connection: Connection, *keys: str) -> None:
    """Tell all members, when the transaction commits, that there is something new in these places."""
    if keys:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, ",".join(keys))


class Session:
    """One registered member. When its connection breaks it is `lost` for good; open another one."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], member: int) -> None:
        self._connection = connection
        self._wakes: dict[str, set[asyncio.Event]] = {}
        self.member = member
        self.lost = False

    @classmethod
    async def open(cls, url: str, name: str) -> Session:
        """Register. Raises `BusLost` when the database is not there."""
        async with as_bus_errors():
            connection = await connect(url, name=f"{name} bus")
            try:
                # The lock before the commit: nobody must ever see a member that looks dead.
                async with connection.transaction():
                    member = await connection.fetchval(
                        "INSERT INTO bus.member (name) VALUES ($1) RETURNING id", name
                    )
                    await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, member)
                session = cls(connection, member)
                connection.add_termination_listener(session._on_lost)
                await connection.add_listener(CHANNEL, session._on_news)
            except BaseException:
                connection.terminate()
                raise
        return session

    def check(self) -> None:
        """Raises `BusLost` when this session is over."""
        if self.lost:
            raise BusLost("the session with the database ended; what was not acknowledged is given back")

    @contextmanager
    def wakes(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set on news of `key`, and when the session is lost."""
        event = asyncio.Event()
        self._wakes.setdefault(key, set()).add(event)
        if self.lost:
            event.set()
        try:
            yield event
        finally:
            waiting = self._wakes[key]
            waiting.discard(event)
            if not waiting:
                del self._wakes[key]

    async def close(self) -> None:
        """Leave. What this member still holds goes back, as if it had died."""
        with suppress(BusLost, TimeoutError):
            async with as_bus_errors():
                await self._connection.execute(_SIGN_OFF, self.member)
                await self._connection.close(timeout=5)
        self.break_off()

    def break_off(self) -> None:
        """End the session at once, as a crash would."""
        self._connection.terminate()
        self._on_lost()

    def _on_lost(self, *_: object) -> None:
        self.lost = True
        for events in self._wakes.values():
            for event in events:
                event.set()

    def _on_news(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for key in str(payload).split(","):
            for event in self._wakes.get(key, ()):
                event.set()


async def rest(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, no longer than `seconds`. Whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()

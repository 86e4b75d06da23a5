"""The embedded bus: the port kept in PostgreSQL, for several processes of one machine.

In: a database whose migrations are done. Out: the same promises as a broker's, at some thousand messages a
second. A message is confirmed when its transaction is committed. It needs sessions of its own (advisory
locks, LISTEN): a pooler in transaction mode between it and the database breaks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog

from shared.bus import embedded_log, embedded_topology
from shared.bus.embedded_consumer import EmbeddedConsumer
from shared.bus.embedded_publishing import Publisher
from shared.bus.embedded_retention import sweep
from shared.bus.embedded_returns import clear_up_after_the_dead
from shared.bus.embedded_session import Session, as_bus_errors, bus_transaction
from shared.bus.embedded_topology import StoredQueue, delete_queues, take_position
from shared.bus.port import BusLost, Consumer, DeadLetter, LogEntry, LogStart, Message, QueueState
from shared.bus.requests import Requests
from shared.events.topology import EXCHANGE, Topology
from shared.runtime.errors import PermanentError, TransientError
from shared.store.pool import Pool, open_pool

log = structlog.get_logger(__name__)

SWEEP_EVERY = timedelta(minutes=1)
CLEAR_UP_EVERY = timedelta(seconds=1)
"""How long a killed process's deliveries wait at most: nobody can tell us that it died."""
CONNECTIONS = 4


async def connect(database_url: str, *, name: str) -> EmbeddedBus:
    """The bus in this database; `name` says who we are. Close it with `await bus.close()`.

    Raises `BusLost` when the database can't be reached within a minute, `PermanentError` when it refuses us.
    """
    async with as_bus_errors():
        pool = await open_pool(database_url, name=f"{name} bus", size=CONNECTIONS)
        quick = await open_pool(_without_waiting(database_url), name=f"{name} bus", size=CONNECTIONS)
    bus = EmbeddedBus(database_url, pool, quick, name)
    try:
        await bus.session()
    except BaseException:
        await bus.close()
        raise
    return bus


def _without_waiting(database_url: str) -> str:
    """For taking and acknowledging: a crash that undoes these only makes deliveries come again."""
    return f"{database_url}{'&' if '?' in database_url else '?'}synchronous_commit=off"


class EmbeddedBus:
    """See `shared.bus.port.Bus`."""

    def __init__(self, database_url: str, pool: Pool, quick: Pool, name: str) -> None:
        self._url = database_url
        self._pool = pool
        self._quick = quick
        self._name = name
        self._publisher = Publisher(pool)
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._exchange = EXCHANGE
        self._closed = False
        self._requests = Requests(lambda: self._temporary((), 1000), self.publish)
        self._upkeep = (
            asyncio.create_task(_every(SWEEP_EVERY, self._sweep)),
            asyncio.create_task(_every(CLEAR_UP_EVERY, self._clear_up)),
        )

    async def session(self) -> Session:
        """This process's registration, made again when the last one was lost. Raises `BusLost`."""
        async with self._opening:
            if self._closed:
                raise BusLost("the bus is closed")
            if self._session is None or self._session.lost:
                self._session = await Session.open(self._url, self._name)
                await clear_up_after_the_dead(self._pool, self._publisher)
            return self._session

    async def declare(self, topology: Topology) -> None:
        self._exchange = topology.exchange
        await embedded_topology.declare(self._pool, topology)

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        await self._publisher.publish(None if to_queue else self._exchange, messages)

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int = 1000) -> AsyncIterator[Consumer]:
        session = await self.session()
        stored = await self._stored(queue)
        consumer = await EmbeddedConsumer.register(
            self._pool, self._quick, self._publisher, session, stored, prefetch=prefetch
        )
        try:
            yield consumer
        finally:
            await self._leave(consumer, session)

    @asynccontextmanager
    async def subscribe(self, bindings: Sequence[str], *, prefetch: int = 1000) -> AsyncIterator[Consumer]:
        async with self._temporary(bindings, prefetch) as (_, consumer):
            yield consumer

    async def request(self, message: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109  see the port
        return await self._requests.request(message, timeout)

    def read_log(self, start: LogStart, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        return embedded_log.read_log(self._pool, self.session, start, follow=follow)

    def dead_letters(self) -> AsyncIterator[DeadLetter]:
        return embedded_log.dead_letters(self._pool)

    async def state(self, queue: str) -> QueueState:
        await clear_up_after_the_dead(self._pool, self._publisher)
        async with bus_transaction(self._pool) as connection:
            row = await connection.fetchrow(
                """
                SELECT CASE kind
                    WHEN 'stream' THEN (SELECT count(*) FROM bus.message WHERE logged)
                    ELSE (SELECT count(*) FROM bus.delivery WHERE queue_id = queue.id AND holder IS NULL)
                    END AS ready,
                    (SELECT count(*) FROM bus.consumer WHERE queue_id = queue.id) AS consumers
                FROM bus.queue WHERE name = $1
                """,
                queue,
            )
        if row is None:
            raise KeyError(f"queue {queue!r} is not declared")
        return QueueState(row["ready"], row["consumers"])

    def on_obstacle(self, told: Callable[[str | None], None]) -> None:
        """Nobody is ever told: a database that takes nothing says so with an error."""

    async def obstacle(self) -> str | None:
        return None

    async def close(self) -> None:
        if self._closed:
            return
        await self._requests.close()
        self._closed = True
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        for pool in (self._pool, self._quick):
            with suppress(TimeoutError, BusLost):
                async with as_bus_errors(), asyncio.timeout(5):
                    await pool.close()
            pool.terminate()

    @asynccontextmanager
    async def _temporary(self, bindings: Sequence[str], prefetch: int) -> AsyncIterator[tuple[str, Consumer]]:
        session = await self.session()
        queue = await embedded_topology.declare_temporary(
            self._pool, session.member, self._exchange, bindings
        )
        consumer = await EmbeddedConsumer.register(
            self._pool, self._quick, self._publisher, session, queue, prefetch=prefetch
        )
        try:
            yield queue.name, consumer
        finally:
            await self._leave(consumer, session, delete=queue)

    async def _leave(
        self, consumer: EmbeddedConsumer, session: Session, delete: StoredQueue | None = None
    ) -> None:
        # A task of its own: leaving is most often due to a cancellation, and must come to its end.
        leaving = asyncio.create_task(self._give_back(consumer, session, delete))
        await asyncio.shield(leaving)

    async def _give_back(
        self, consumer: EmbeddedConsumer, session: Session, delete: StoredQueue | None
    ) -> None:
        try:
            await consumer.leave()
            if delete is not None:
                async with bus_transaction(self._pool) as connection:
                    await take_position(connection)
                    await delete_queues(connection, [delete.id])
        except (TransientError, OSError):
            # What could not be given back properly is given back by our death.
            session.break_off()

    async def _stored(self, name: str) -> StoredQueue:
        async with bus_transaction(self._pool) as connection:
            position = await take_position(connection)
            stored = (await self._publisher.atlas(connection, position)).by_name.get(name)
        if stored is None:
            raise PermanentError(
                f"queue {name!r} is not declared",
                code="unknown_queue",
                hint="start a service, which declares the topology",
            )
        return stored

    async def _sweep(self) -> None:
        if removed := await sweep(self._pool):
            log.debug("bus_swept", removed=removed)

    async def _clear_up(self) -> None:
        await clear_up_after_the_dead(self._pool, self._publisher)


async def _every(pause: timedelta, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(pause.total_seconds())
        try:
            await work()
        except TransientError as error:
            log.debug("bus_upkeep_put_off", reason=str(error))

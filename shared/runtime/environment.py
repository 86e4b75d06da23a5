"""The ground that services stand on: database, bus and health, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import stamina
import structlog

from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.topology import TOPOLOGY
from shared.runtime.dead_letter_metrics import dead_letters_counted
from shared.runtime.errors import TransientError
from shared.runtime.health import Health
from shared.runtime.settings import CoreSettings
from shared.store.connection import Limits
from shared.store.embedded import EmbeddedPostgres, ensure_postgres
from shared.store.pool import Pool, open_pool
from shared.store.schema import SchemaOutdated, require_current

PATIENCE = timedelta(seconds=60)
"""How long to wait for servers that are starting, as they do when everything starts at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Platform:
    """What a service gets. `http_port` is where health is served, if it is."""

    database_url: str
    pool: Pool
    bus: Bus
    health: Health
    http_port: int | None = None


@asynccontextmanager
async def open_platform(
    settings: CoreSettings, *, name: str, patience: timedelta = PATIENCE
) -> AsyncIterator[Platform]:
    """Database, bus with its topology, health server where a port is set. `name` tells servers who we are.

    Without a database URL the embedded PostgreSQL is used, and upgraded if need be; another one must have
    this release's schema. Raises `SchemaOutdated`, `SchemaUnknown` and other `PermanentError` with the
    remedy, `TransientError` when a server does not come up within `patience`.
    """
    health = Health()
    async with AsyncExitStack() as stack:
        port = None
        if settings.http.port is not None:
            from shared.runtime.health_server import serve_health  # noqa: PLC0415  aiohttp; commands need none

            serving = serve_health(health, host=settings.http.host, port=settings.http.port)
            port = await stack.enter_async_context(serving)
        database_url = await stack.enter_async_context(open_database(settings, patience=patience))
        size = settings.database_connections
        limits = Limits(settings.database_statement_seconds, settings.database_idle_seconds)
        pool = await open_pool(
            database_url, name=f"patchbay-{name}", size=size, patience=patience, limits=limits
        )
        stack.push_async_callback(_close_pool, pool)
        bus = await _connected_bus(settings, database_url, name, patience)
        stack.push_async_callback(bus.close)
        bus.on_obstacle(partial(_tell_health, health))
        await bus.declare(TOPOLOGY)
        if port is not None:
            await stack.enter_async_context(dead_letters_counted(bus))
        health.ready()
        try:
            yield Platform(database_url, pool, bus, health, port)
        finally:
            health.unready("stopping")


@asynccontextmanager
async def open_database(
    settings: CoreSettings, *, patience: timedelta = PATIENCE, upgrade: bool = False
) -> AsyncIterator[str]:
    """The URL of a database with this release's schema: the one that is set, else the embedded one.

    A set one is upgraded with `upgrade` alone; without it `SchemaOutdated` is raised.
    """
    if (url := settings.database_address()) is not None:
        await _check_schema(url, patience, upgrade=upgrade)
        yield url
        return
    async with _embedded(settings) as server:
        await _check_schema(server.url, patience, upgrade=True)
        yield server.url


@asynccontextmanager
async def _embedded(settings: CoreSettings) -> AsyncIterator[EmbeddedPostgres]:
    postgres = ensure_postgres(settings.data_dir)
    starting = asyncio.create_task(asyncio.to_thread(postgres.__enter__))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread goes on: what it starts must be stopped.
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(postgres.__exit__, None, None, None)
        raise
    try:
        yield server
    finally:
        await asyncio.to_thread(postgres.__exit__, None, None, None)


async def _check_schema(url: str, patience: timedelta, *, upgrade: bool) -> None:
    async for attempt in stamina.retry_context(
        on=TransientError, attempts=None, timeout=patience, wait_initial=0.1, wait_max=3.0
    ):
        with attempt:
            try:
                await require_current(url)
            except SchemaOutdated:
                if not upgrade:
                    raise
                from shared.store.migrate import upgrade as bring_up  # noqa: PLC0415  Alembic is slow to import

                log.info("database_upgraded", revision=await bring_up(url))


async def _connected_bus(settings: CoreSettings, database_url: str, name: str, patience: timedelta) -> Bus:
    amqp_url = settings.amqp_address()
    async for attempt in stamina.retry_context(
        on=TransientError, attempts=None, timeout=patience, wait_initial=0.1, wait_max=3.0
    ):
        with attempt:
            return await connect_bus(amqp_url=amqp_url, database_url=database_url, name=f"patchbay-{name}")
    raise AssertionError("the last attempt returns or raises")


def _tell_health(health: Health, reason: str | None) -> None:
    if reason is None:
        health.ready("bus")
    else:
        health.unready(reason, "bus")


async def _close_pool(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        # Somebody holds a connection beyond the end of its task; the server will notice when we are gone.
        pool.terminate()

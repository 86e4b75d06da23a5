"""Servers for the tests that ask for them; started with the first such test, stopped with the run."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, settings

from shared.store.migrate import upgrade
from shared.store.pool import Pool, open_pool
from tests.servers.postgres import PostgresServer, find_postgres, with_database
from tests.servers.processes import keep_in_memory
from tests.servers.rabbitmq import PrivateRabbit, RabbitServer, find_rabbitmq, private_broker
from tests.servers.vcsim import GivenVcsim, MakeVcsim, VcsimServer, find_vcsim

Result = TypeVar("Result")


# How long an example takes is the machine's affair: no test asserts a time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Keep the servers' data in memory, where there is enough of it and nobody says otherwise."""
    keep_in_memory()


@pytest.fixture(autouse=True)
def log_configured_anew() -> Iterator[None]:
    """What a test makes of the log, by running a command in this process say, ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this run."""
    server, ours = find_postgres()
    yield server
    if ours:
        server.stop()


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a migrated database to copy from."""
    name = f"template_{secrets.token_hex(4)}"
    _apart(_admin(postgres_server.url, f'CREATE DATABASE "{name}"'))
    _apart(upgrade(with_database(postgres_server.url, name)))
    yield name
    _apart(_admin(postgres_server.url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def database(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[str]:
    """The URL of a migrated database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    await _admin(postgres_server.url, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    yield with_database(postgres_server.url, name)
    await _admin(postgres_server.url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def empty_database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database of this test's own with nothing in it."""
    name = f"test_{secrets.token_hex(6)}"
    await _admin(postgres_server.url, f'CREATE DATABASE "{name}"')
    yield with_database(postgres_server.url, name)
    await _admin(postgres_server.url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on `database`."""
    pool = await open_pool(database, name="test")
    yield pool
    # A connection that a failed test left behind must not hold up the run; dropping the database ends it.
    pool.terminate()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ for this run."""
    server, ours = find_rabbitmq()
    yield server
    if ours:
        server.stop()


@pytest.fixture(scope="session")
def own_rabbitmq() -> Iterator[PrivateRabbit]:
    """A RabbitMQ of the run's own, never one that somebody else runs."""
    with private_broker() as server:
        yield server


@pytest.fixture
def broker(own_rabbitmq: PrivateRabbit) -> PrivateRabbit:
    """A running broker that a test may restart and make users on. Who kills it needs one of their own."""
    if not own_rabbitmq.running:
        own_rabbitmq.start()
    return own_rabbitmq


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> str:
    """The AMQP URL of a virtual host of this test's own."""
    return rabbitmq_server.vhost()


@pytest.fixture(scope="session")
def make_vcsim() -> MakeVcsim:
    """Makes a simulated vCenter of govmomi's, not started yet: `make_vcsim(vms=100, tls=True)`."""
    return find_vcsim()


@pytest.fixture
def vcsim(make_vcsim: MakeVcsim) -> Iterator[VcsimServer]:
    """A small vcsim of this test's own."""
    server = make_vcsim()
    server.start()
    yield server
    if not isinstance(server, GivenVcsim):
        server.stop()


@pytest.fixture
def vcsim_url(vcsim: VcsimServer) -> str:
    """The SOAP endpoint of a small vcsim of this test's own, with user and password in it."""
    return vcsim.url


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _apart(work: Coroutine[Any, Any, Result]) -> Result:
    # In a thread: a session fixture must not touch the event loops that pytest-asyncio keeps for tests.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()

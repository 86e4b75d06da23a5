"""Servers for benchmarks: those that are named, or private ones that end with the benchmark.

Private ones are found and started as for the tests, see `tests.servers`. Without any the benchmark ends with
the way to get one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import asyncpg
import pytest

from shared.store.migrate import upgrade
from tests.servers.postgres import find_postgres, with_database
from tests.servers.rabbitmq import find_rabbitmq

Found = TypeVar("Found")
PRIVATE = "private"
EMBEDDED = "embedded"


@contextmanager
def broker(wanted: str) -> Iterator[str | None]:
    """The AMQP URL to use: `wanted`, or for "private" that of a RabbitMQ of this run's own.

    None for "embedded".
    """
    if wanted != PRIVATE:
        yield None if wanted == EMBEDDED else wanted
        return
    server, ours = _found(find_rabbitmq)
    try:
        yield server.vhost()
    finally:
        if ours:
            server.stop()


@contextmanager
def database(wanted: str, *settings: str) -> Iterator[str]:
    """The URL of a migrated database: `wanted`, or for "private" an empty one of this run's own.

    Its server gets these settings, such as "shared_buffers=1GB".
    """
    if wanted != PRIVATE:
        yield wanted
        return
    server, ours = _found(partial(find_postgres, *settings))
    name = f"bench_{secrets.token_hex(4)}"
    try:
        asyncio.run(_execute(server.url, f'CREATE DATABASE "{name}"'))
        asyncio.run(upgrade(with_database(server.url, name)))
        yield with_database(server.url, name)
    finally:
        if ours:
            server.stop()
        else:
            asyncio.run(_execute(server.url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _found(find: Callable[[], Found]) -> Found:
    try:
        return find()
    except (pytest.skip.Exception, pytest.fail.Exception) as absent:
        raise SystemExit(str(absent)) from None

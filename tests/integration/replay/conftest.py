"""Each test here runs on both buses, with the installation's topology."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.bus.port import Bus
from shared.events.topology import TOPOLOGY
from tests.contract.bus.conftest import OpenBus, address, kind, open_bus
from tests.servers.postgres import PostgresServer, with_database

__all__ = ["address", "kind", "open_bus"]

pytestmark = pytest.mark.postgres


@pytest.fixture
async def bus(open_bus: OpenBus) -> Bus:
    """A connection with the topology declared."""
    bus = await open_bus()
    await bus.declare(TOPOLOGY)
    return bus


@pytest.fixture
async def second_database(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[str]:
    """The URL of another migrated database."""
    name = f"test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres_server.url)
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    yield with_database(postgres_server.url, name)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()

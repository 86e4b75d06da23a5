"""Each test here runs on both buses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from tests.contract.bus.samples import SMALL

Kind = Literal["rabbitmq", "embedded"]


@dataclass(frozen=True)
class BusAddress:
    """Where a bus is, in words that can be handed to another process."""

    kind: Kind
    url: str

    async def connect(self, name: str = "test") -> Bus:
        """A connection of its own, as another process would have."""
        amqp_url = self.url if self.kind == "rabbitmq" else None
        return await connect_bus(amqp_url=amqp_url, database_url=self.url, name=name)


@pytest.fixture(
    params=[
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
        pytest.param("embedded", marks=pytest.mark.postgres),
    ]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which bus."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def address(kind: Kind, request: pytest.FixtureRequest) -> BusAddress:
    """A bus of this test's own, with nothing declared."""
    fixture = "rabbitmq_url" if kind == "rabbitmq" else "database"
    return BusAddress(kind, request.getfixturevalue(fixture))


OpenBus = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def open_bus(address: BusAddress) -> AsyncIterator[OpenBus]:
    """Opens further connections to the test's bus; all are closed with the test."""
    opened: list[Bus] = []

    async def open_one() -> Bus:
        bus = await address.connect()
        opened.append(bus)
        return bus

    yield open_one
    for bus in opened:
        await bus.close()


@pytest.fixture
async def bus(open_bus: OpenBus) -> Bus:
    """A connection with the small topology declared."""
    bus = await open_bus()
    await bus.declare(SMALL)
    return bus

"""Each test here runs on both buses, with the installation's topology."""

from __future__ import annotations

import pytest

from shared.bus.port import Bus
from shared.events.topology import TOPOLOGY
from tests.contract.bus.conftest import OpenBus, address, kind, open_bus

__all__ = ["address", "kind", "open_bus"]

pytestmark = pytest.mark.postgres


@pytest.fixture
async def bus(open_bus: OpenBus) -> Bus:
    """A connection with the topology declared."""
    bus = await open_bus()
    await bus.declare(TOPOLOGY)
    return bus

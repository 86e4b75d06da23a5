"""A running simulator, and pyVmomi (a client that others wrote) to talk to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.settings import SimulatorSettings
from tests.integration.simulator.client import Client

T = TypeVar("T")
SETTINGS = SimulatorSettings(port=0, vms=48, seed=3, boot_seconds=0, page_limit=20)


@pytest.fixture
async def simulator() -> AsyncIterator[RunningSimulator]:
    async with simulated_vcenter(SETTINGS) as running:
        yield running


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[Client]:
    made = await asyncio.to_thread(Client, simulator)
    yield made
    await asyncio.to_thread(made.close)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a blocking function of the client beside the event loop."""
    return asyncio.to_thread

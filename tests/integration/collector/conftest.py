"""A running collector, a simulated vCenter, and an observer at the log of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.collector.app import run
from services.collector.registry import NewVcenter, Vcenter, add, get
from services.collector.settings import CollectorSettings, Settings
from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.topology import TOPOLOGY
from shared.runtime.environment import Platform
from shared.runtime.health import Health
from shared.store.pool import Pool
from tests.integration.collector.observing import PATIENCE, Observer

PASSWORD = "S3cr3t-of-the-vCenter"
USER = "administrator@vsphere.local"
QUICK = CollectorSettings(
    max_wait_seconds=1,
    heartbeat_seconds=1,
    page_objects=25,
    backoff_initial_seconds=0.1,
    backoff_max_seconds=0.5,
    rejected_retry_seconds=1,
    brake_recheck_seconds=3600,
    registry_poll_seconds=0.5,
    lock_poll_seconds=0.2,
)


@dataclass
class Bench:
    """What a test has at hand."""

    pool: Pool
    bus: Bus
    database_url: str
    observer: Observer
    password_file: Path

    def collector(self, settings: CollectorSettings = QUICK, bus: Bus | None = None) -> Collector:
        """A collector that is not running yet; `bus` may be a faulty one."""
        return Collector(Platform(self.database_url, self.pool, bus or self.bus, Health()), settings)

    async def register(self, sim: RunningSimulator, name: str = "lab") -> Vcenter:
        """Register a simulator's vCenter."""
        new = NewVcenter(name, sim.url, f"text:{USER}", f"file:{self.password_file}")
        return await add(self.pool, new)

    async def registered(self, name: str, condition: Callable[[Vcenter], bool]) -> Vcenter:
        """A registration as soon as it fits."""
        async with asyncio.timeout(PATIENCE):
            while not condition(found := await get(self.pool, name)):  # noqa: ASYNC110  a table is polled
                await asyncio.sleep(0.05)
        return found


class Collector:
    """A collector in this process."""

    def __init__(self, platform: Platform, settings: CollectorSettings) -> None:
        self._platform = platform
        self._settings = Settings(collector=settings)
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Collector:
        self._task = asyncio.create_task(run(self._settings, self._platform, self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._task is not None and not self._task.cancelled():
            async with asyncio.timeout(20):
                await self._task

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def simulator(**settings: object) -> AsyncIterator[RunningSimulator]:
    """A simulated vCenter with a password of its own."""
    given = {"port": 0, "vms": 40, "seed": 5, "user": USER, "password": SecretStr(PASSWORD), **settings}
    async with simulated_vcenter(SimulatorSettings.model_validate(given)) as running:
        yield running


@pytest.fixture
async def bench(pool: Pool, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Store, embedded bus, and the secret in a file."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    bus = await connect_bus(amqp_url=None, database_url=database, name="test")
    await bus.declare(TOPOLOGY)
    yield Bench(pool, bus, database, Observer(bus), secret)
    await bus.close()


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    """A vCenter with 40 VMs."""
    async with simulator() as running:
        yield running

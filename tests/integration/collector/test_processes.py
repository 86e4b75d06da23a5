"""G2: the collector as a process of its own, killed without warning, on either bus."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.simulator.app import RunningSimulator
from shared.bus.connecting import connect_bus
from shared.events.inventory import SnapshotCompleted, VmChanged, VmRemoved
from shared.events.topology import TOPOLOGY
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat
from shared.store.pool import Pool
from tests.integration.collector.conftest import PASSWORD, Bench
from tests.integration.collector.observing import Observer

pytestmark = pytest.mark.postgres


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def amqp_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("rabbitmq_url") if request.param == "rabbitmq" else None


@pytest.fixture
async def either(pool: Pool, database: str, tmp_path: Path, amqp_url: str | None) -> AsyncIterator[Bench]:
    """Store and one of the buses."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    bus = await connect_bus(amqp_url=amqp_url, database_url=database, name="test")
    await bus.declare(TOPOLOGY)
    yield Bench(pool, bus, database, Observer(bus), secret)
    await bus.close()


@asynccontextmanager
async def process(bench: Bench, amqp_url: str | None) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {
        "PATCHBAY_DATABASE_URL": bench.database_url,
        "PATCHBAY_COLLECTOR__HEARTBEAT_SECONDS": "1",
        "PATCHBAY_COLLECTOR__MAX_WAIT_SECONDS": "1",
        "PATCHBAY_COLLECTOR__PAGE_OBJECTS": "10",
        "PATCHBAY_COLLECTOR__LOCK_POLL_SECONDS": "0.2",
    }
    if amqp_url is not None:
        environment["PATCHBAY_AMQP_URL"] = amqp_url
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.collector", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_g2_a_process_killed_at_any_moment_loses_nothing(
    either: Bench, sim: RunningSimulator, amqp_url: str | None
) -> None:
    await either.register(sim)
    for moment in range(3):
        seen = len(await either.observer.read())
        async with process(either, amqp_url) as collector:
            # Once in the middle of a snapshot, then in the middle of changes.
            await either.observer.first(VcenterConnected if moment == 0 else VcenterHeartbeat, seen)
            for number, moid in enumerate(sorted(sim.world.machines)[:8]):
                sim.world.rename(moid, f"{moid}-{moment}")
                if number == 2 + moment:
                    collector.send_signal(signal.SIGKILL)
                await asyncio.sleep(0.005)
            sim.world.remove_vm(max(sim.world.machines))
            sim.world.create_vm(f"new-{moment}")
            await collector.wait()
    seen = len(await either.observer.read())
    async with process(either, amqp_url) as collector:
        await either.observer.first(SnapshotCompleted, seen)
        collector.terminate()
        assert await asyncio.wait_for(collector.wait(), 20) == 0
    removed = {fact.moid: fact.order for fact in either.observer.newest(VmRemoved).values()}
    held = {
        fact.moid: fact.name
        for fact in either.observer.newest(VmChanged).values()
        if fact.moid not in removed or fact.order > removed[fact.moid]
    }
    assert held == {moid: vm.name for moid, vm in sim.world.machines.items()}

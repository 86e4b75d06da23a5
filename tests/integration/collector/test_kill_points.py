"""G2: collector and broker are killed at every named step, and the facts still add up to the vCenter."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.simulator.app import RunningSimulator
from shared.bus.connecting import connect_bus
from shared.events.inventory import SnapshotCompleted
from shared.events.topology import TOPOLOGY
from shared.events.vcenter import VcenterHeartbeat
from shared.store.pool import Pool
from tests.integration.collector.conftest import PASSWORD, Bench
from tests.integration.collector.observing import PATIENCE, Observer
from tests.integration.collector.steps import IN_A_SNAPSHOT, IN_THE_STREAM, interrupt
from tests.integration.collector.truth import add_up
from tests.servers.rabbitmq import PrivateRabbit, private_broker

pytestmark = pytest.mark.postgres
STEPS = [*IN_A_SNAPSHOT, *IN_THE_STREAM]
PROJECT = Path(__file__).parents[3]
ENVIRONMENT = {
    "PATCHBAY_COLLECTOR__HEARTBEAT_SECONDS": "1",
    "PATCHBAY_COLLECTOR__MAX_WAIT_SECONDS": "1",
    "PATCHBAY_COLLECTOR__PAGE_OBJECTS": "25",
    "PATCHBAY_COLLECTOR__LOCK_POLL_SECONDS": "0.2",
}


class Story:
    """The same changes for every step: while nobody watches, and while the collector does that is to die."""

    def __init__(self, sim: RunningSimulator) -> None:
        self.world = sim.world
        self._vms = iter(sorted(sim.world.machines))

    def while_nobody_watches(self) -> None:
        """Some VMs go, one comes, one comes and goes, one is changed."""
        self.world.remove_vm(next(self._vms))
        self.world.remove_vm(next(self._vms))
        self.world.create_vm("came")
        self.world.remove_vm(self.world.create_vm("came and went").moid)
        self.world.rename(next(self._vms), "was called otherwise")

    def while_it_watches(self) -> None:
        """A removal, an addition and two changes."""
        self.world.remove_vm(next(self._vms))
        self.world.create_vm("seen coming")
        self.world.rename(next(self._vms), "seen changing")
        self.world.set_guest_addresses(next(self._vms), None, ["10.77.0.9/24"])

    def after_it_died(self) -> None:
        """One more goes, and one that nobody has told yet."""
        self.world.remove_vm(next(self._vms))
        self.world.rename(next(self._vms), "changed unseen")


async def first_watched(bench: Bench, sim: RunningSimulator) -> None:
    """Somebody has watched before: there is something that can be lost."""
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)


async def then_equal(bench: Bench, sim: RunningSimulator) -> None:
    """The next collector makes up for everything."""
    seen = len(await bench.observer.read())
    async with bench.collector():
        await bench.observer.first(SnapshotCompleted, seen)
        await add_up(bench.observer, sim)


@pytest.mark.parametrize("step", STEPS)
async def test_g2_a_collector_killed_at_a_step_loses_nothing(
    bench: Bench, sim: RunningSimulator, tmp_path: Path, step: str
) -> None:
    await killed_at(step, bench, sim, tmp_path, None)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("step", ["page being published", "change being published", "change confirmed"])
async def test_g2_a_collector_killed_at_a_step_on_rabbitmq_loses_nothing(
    pool: Pool, database: str, rabbitmq_url: str, sim: RunningSimulator, tmp_path: Path, step: str
) -> None:
    async with bench_on(pool, database, rabbitmq_url, tmp_path) as bench:
        await killed_at(step, bench, sim, tmp_path, rabbitmq_url)


async def killed_at(
    step: str, bench: Bench, sim: RunningSimulator, folder: Path, amqp_url: str | None
) -> None:
    await first_watched(bench, sim)
    story = Story(sim)
    story.while_nobody_watches()
    arming = folder / "armed"
    environment = os.environ | ENVIRONMENT | {"PATCHBAY_DATABASE_URL": bench.database_url}
    if amqp_url is not None:
        environment["PATCHBAY_AMQP_URL"] = amqp_url
    words = [step] if step in IN_A_SNAPSHOT else [step, str(arming)]
    seen = len(await bench.observer.read())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.collector.dying", *words),
        env=environment,
        cwd=PROJECT,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        if step in IN_THE_STREAM:
            await bench.observer.first(VcenterHeartbeat, seen)
            arming.touch()
            story.while_it_watches()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    story.after_it_died()
    await then_equal(bench, sim)


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateRabbit]:
    """A RabbitMQ of this module's own, to be killed."""
    with private_broker() as server:
        yield server


@pytest.mark.rabbitmq
@pytest.mark.parametrize(
    "step", ["page remembered", "page being published", "snapshot compared", *IN_THE_STREAM]
)
async def test_g2_a_broker_killed_at_a_step_loses_nothing(
    pool: Pool, database: str, broker: PrivateRabbit, sim: RunningSimulator, tmp_path: Path, step: str
) -> None:
    amqp_url = await asyncio.to_thread(broker.vhost)
    async with bench_on(pool, database, amqp_url, tmp_path) as bench:
        await first_watched(bench, sim)
        story = Story(sim)
        story.while_nobody_watches()
        seen = len(await bench.observer.read())
        armed, happened = asyncio.Event(), asyncio.Event()

        async def restart() -> None:
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            happened.set()

        restore = interrupt({**IN_A_SNAPSHOT, **IN_THE_STREAM}[step], restart, armed.is_set)
        try:
            if step in IN_A_SNAPSHOT:
                armed.set()
            async with bench.collector():
                if step in IN_THE_STREAM:
                    await bench.observer.first(VcenterHeartbeat, seen)
                    armed.set()
                    story.while_it_watches()
                async with asyncio.timeout(2 * PATIENCE):
                    await happened.wait()
                story.after_it_died()
                await add_up(bench.observer, sim)
        finally:
            restore()


@asynccontextmanager
async def bench_on(pool: Pool, database: str, amqp_url: str, folder: Path) -> AsyncIterator[Bench]:
    """A store and a RabbitMQ."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    bus = await connect_bus(amqp_url=amqp_url, database_url=database, name="test")
    await bus.declare(TOPOLOGY)
    try:
        yield Bench(pool, bus, database, Observer(bus), secret)
    finally:
        await bus.close()

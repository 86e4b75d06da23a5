"""One active collector per vCenter: a standby takes over, and two at once are told apart by their epochs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from services.collector import registry
from services.collector.exclusive import Lock, only_one
from services.simulator.app import RunningSimulator
from shared.bus.port import Message
from shared.events.inventory import SnapshotCompleted, VmChanged
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat
from shared.runtime.errors import TransientError
from shared.store.connection import connect
from tests.integration.collector.conftest import Bench
from tests.integration.collector.test_losing_nothing import FaultyBus
from tests.integration.collector.test_processes import process
from tests.integration.collector.truth import add_up, applied

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def _soon_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_COLLECTOR__LOCK_SILENCE_SECONDS", "2")


async def test_g2_a_standby_process_takes_over_from_one_that_was_killed(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with process(bench, None) as first:
        await bench.observer.first(VcenterHeartbeat)
        async with process(bench, None):
            sim.world.rename(min(sim.world.machines), "while both run")
            await bench.observer.first(VmChanged, where=lambda fact: fact.name == "while both run")
            seen = bench.observer.seen
            first.send_signal(signal.SIGKILL)
            sim.world.remove_vm(max(sim.world.machines))
            taken = await bench.observer.first(SnapshotCompleted, seen)
            assert taken.epoch == 2
            await add_up(bench.observer, sim)


async def test_g2_a_process_that_hangs_is_replaced_and_does_no_harm_when_it_wakes(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with process(bench, None) as first:
        await bench.observer.first(VcenterHeartbeat)
        first.send_signal(signal.SIGSTOP)
        seen = bench.observer.seen
        async with process(bench, None):
            taken = await bench.observer.first(SnapshotCompleted, seen)
            vms = sorted(sim.world.machines)
            sim.world.rename(vms[0], "while it hung")
            sim.world.remove_vm(vms[1])
            await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "while it hung")
            first.send_signal(signal.SIGCONT)
            # Awake, it finds out that it was replaced, and stands by.
            seen = bench.observer.seen
            for _ in range(3):
                await bench.observer.first(VcenterHeartbeat, seen, lambda fact: fact.epoch == taken.epoch)
                seen = bench.observer.seen
            sim.world.rename(vms[2], "after it woke")
            await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "after it woke")
            assert [fact.epoch for fact in bench.observer.of(VcenterConnected)] == [1, 2]
            await add_up(bench.observer, sim)


async def test_g3_what_a_replaced_collector_publishes_late_loses(bench: Bench, sim: RunningSimulator) -> None:
    stuck = FaultyBus(bench.bus)
    late: list[Message] = []
    await bench.register(sim)
    first = bench.collector(bus=stuck)
    async with first:
        await bench.observer.first(VcenterHeartbeat)
        stuck.before = late.extend
        stuck.hang = "after"
        renamed, kept = sorted(sim.world.machines)[:2]
        sim.world.rename(renamed, "as the first one saw it")
        await asyncio.wait_for(stuck.hung.wait(), 20)
        await first.kill()
    seen = len(await bench.observer.read())
    sim.world.rename(renamed, "as it is")
    sim.world.rename(kept, "as it is, too")
    async with bench.collector():
        await bench.observer.first(SnapshotCompleted, seen)
        await bench.bus.publish(_only_facts(late))
        await bench.observer.read()
        picture = applied(bench.observer)
        assert picture["vm", renamed]["name"] == "as it is"
        await add_up(bench.observer, sim)
    assert any(b"as the first one saw it" in message.body for message in late)


def _only_facts(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.type.startswith(("inventory.", "guest."))]


async def test_an_epoch_is_begun_by_the_holder_of_the_lock_only(bench: Bench, sim: RunningSimulator) -> None:
    vcenter = await bench.register(sim)
    identity = UUID(sim.world.instance_uuid)

    async def begin(lock: Lock) -> int:
        return await lock.write(lambda connection: registry.begin_epoch(connection, vcenter, identity))

    exclusively = only_one(bench.database_url, vcenter.id, poll_seconds=60, silence_seconds=120)
    async with exclusively as lock:
        assert await begin(lock) == 1
        async with asyncio.timeout(20):
            await _cut(bench)
        with pytest.raises(TransientError):
            await begin(lock)
        assert lock.lost.is_set()
    assert await bench.pool.fetchval("SELECT epoch FROM collector.stream") == 1


@pytest.mark.parametrize("turns", range(0, 12, 3))
async def test_an_epoch_that_is_interrupted_leaves_the_lock_as_it_was(
    bench: Bench, sim: RunningSimulator, turns: int
) -> None:
    vcenter = await bench.register(sim)
    identity = UUID(sim.world.instance_uuid)

    async def begin(lock: Lock) -> int:
        return await lock.write(lambda connection: registry.begin_epoch(connection, vcenter, identity))

    async with only_one(bench.database_url, vcenter.id, poll_seconds=0.05, silence_seconds=60) as lock:
        beginning = asyncio.create_task(begin(lock))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)
        first = await begin(lock)
        await asyncio.sleep(0.2)
        assert not lock.lost.is_set()
        assert await begin(lock) == first + 1


async def test_a_holder_that_is_not_heard_of_loses_the_lock(bench: Bench) -> None:
    vcenter = uuid4()
    silent = only_one(bench.database_url, vcenter, poll_seconds=60, silence_seconds=0.5)
    standby = only_one(bench.database_url, vcenter, poll_seconds=0.1, silence_seconds=60)
    async with silent as lock, asyncio.timeout(20), standby:
        await lock.lost.wait()


async def _cut(bench: Bench) -> None:
    connection = await connect(bench.database_url, name="test")
    ended = await connection.fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE application_name = 'patchbay-collector-lock' AND datname = current_database()"
    )
    assert len(ended) == 1
    await connection.close()

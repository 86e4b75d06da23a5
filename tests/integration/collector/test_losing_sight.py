"""G4: no way a session can die removes anything, and each of them heals."""

from __future__ import annotations

import pytest

from services.collector.registry import get
from services.simulator.app import RunningSimulator
from shared.events.inventory import (
    HostRemoved,
    PortgroupRemoved,
    SnapshotCompleted,
    SwitchRemoved,
    VmChanged,
    VmRemoved,
)
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from tests.integration.collector.conftest import QUICK, Bench

pytestmark = pytest.mark.postgres
REMOVALS = (HostRemoved, SwitchRemoved, PortgroupRemoved, VmRemoved)
MODES = {
    "fault": "session_ended",
    "missing_set": "session_ended",
    "missing_properties": "blind_answer",
    "empty_arrays": "blind_answer",
    "empty_results": "blind_answer",
}


def removals(bench: Bench) -> list[str]:
    return [envelope.type for envelope in bench.observer.envelopes if isinstance(envelope.data, REMOVALS)]


@pytest.mark.parametrize(("mode", "cause"), MODES.items())
async def test_g4_a_session_that_dies_is_loss_of_sight_and_heals(
    bench: Bench, sim: RunningSimulator, mode: str, cause: str
) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.expire_sessions(mode)
        lost = await bench.observer.first(VcenterLost, seen)
        again = await bench.observer.first(VcenterConnected, seen)
        completed = await bench.observer.first(SnapshotCompleted, seen)
    assert lost.cause == cause
    assert again.epoch > lost.epoch
    assert completed.counts["vm"] == len(sim.world.machines)
    assert sum(completed.swept.values()) == 0
    assert removals(bench) == []


@pytest.mark.parametrize("mode", MODES)
async def test_g4_blindness_that_outlasts_logins_removes_nothing(
    bench: Bench, sim: RunningSimulator, mode: str
) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.blind(mode)
        await bench.observer.first(VcenterLost, seen)
        # Some logins later it still sees nothing, and says so once only.
        if mode != "fault":
            epoch = (await get(bench.pool, "lab")).epoch
            await bench.registered("lab", lambda vcenter: vcenter.epoch >= epoch + 2)
        assert not bench.observer.of(SnapshotCompleted, seen)
        sim.world.blind(mode, on=False)
        completed = await bench.observer.first(SnapshotCompleted, seen)
    assert sum(completed.swept.values()) == 0
    assert removals(bench) == []


async def test_versions_that_became_invalid_begin_a_new_epoch(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.restart_versions()
        lost = await bench.observer.first(VcenterLost, seen)
        completed = await bench.observer.first(SnapshotCompleted, seen)
    assert (lost.cause, completed.epoch) == ("session_ended", 2)
    assert removals(bench) == []


async def test_cut_connections_are_unreachable_and_heal(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.cut_connections(3)
        lost = await bench.observer.first(VcenterLost, seen)
        await bench.observer.first(SnapshotCompleted, seen)
    assert lost.cause == "unreachable"
    assert removals(bench) == []


async def test_a_vcenter_that_hangs_is_unreachable(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector(QUICK.model_copy(update={"bytes_timeout_seconds": 2.5})):
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.delay(3600)
        lost = await bench.observer.first(VcenterLost, seen)
        sim.world.delay(0)
        await bench.observer.first(SnapshotCompleted, seen)
    assert lost.cause == "unreachable"
    assert removals(bench) == []


async def test_what_is_deleted_during_an_outage_is_swept(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    gone = sorted(sim.world.machines)[:3]
    for moid in gone:
        sim.world.remove_vm(moid)
    seen = bench.observer.seen
    async with bench.collector():
        completed = await bench.observer.first(SnapshotCompleted, seen)
    removed = bench.observer.of(VmRemoved)
    assert sorted(fact.moid for fact in removed) == gone
    assert {fact.how for fact in removed} == {"sweep"}
    assert all(fact.name and fact.sequence < completed.sequence for fact in removed)
    assert completed.swept["vm"] == 3


async def test_another_vcenter_at_the_same_address_is_refused(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        first = await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        former = sim.world.instance_uuid
        sim.world.change_instance_uuid()
        sim.world.expire_sessions()
        lost = await bench.observer.first(VcenterLost, seen, lambda fact: fact.cause == "identity_changed")
        assert former in lost.detail
        assert lost.vcenter == first.vcenter
        assert not bench.observer.of(VmChanged, seen)
        sim.world.change_instance_uuid(former)
        await bench.observer.first(SnapshotCompleted, seen)
    assert removals(bench) == []


async def test_the_same_vcenter_registered_twice_is_refused(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim, "one")
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        await bench.register(sim, "two")
        two = await bench.registered("two", lambda vcenter: vcenter.state == "lost")
    assert "registered as 'one'" in two.state_detail
    assert two.instance_uuid is None

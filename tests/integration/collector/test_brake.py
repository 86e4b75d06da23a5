"""G4: a sweep that would remove too much waits, for an operator or a second look."""

from __future__ import annotations

import pytest

from services.collector.registry import get, release_brake
from services.simulator.app import RunningSimulator
from shared.events.inventory import SnapshotCompleted, SnapshotHeld, VmChanged, VmRemoved
from shared.events.vcenter import VcenterHeartbeat
from tests.integration.collector.conftest import QUICK, Bench

pytestmark = pytest.mark.postgres


async def lose_half(bench: Bench, sim: RunningSimulator) -> set[str]:
    """Let a collector see all, and half of the VMs vanish while none watches."""
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    gone = set(sorted(sim.world.machines)[:20])
    for moid in gone:
        sim.world.remove_vm(moid)
    await bench.observer.read()
    return gone


async def test_g4_the_brake_holds_and_an_operator_releases_it(bench: Bench, sim: RunningSimulator) -> None:
    gone = await lose_half(bench, sim)
    seen = bench.observer.seen
    async with bench.collector():
        held = await bench.observer.first(SnapshotHeld, seen)
        # What is there goes on being told meanwhile.
        vm = sim.world.create_vm("fresh")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.moid == vm.moid)
        assert bench.observer.of(VmRemoved) == []
        assert bench.observer.of(SnapshotCompleted, seen) == []
        registered = await get(bench.pool, "lab")
        await release_brake(bench.pool, "lab")
        completed = await bench.observer.first(SnapshotCompleted, seen)
    assert (held.missing["vm"], held.known["vm"]) == (20, 40)
    assert (registered.state, registered.held) == ("held", {"vm": 20})
    assert {fact.moid for fact in bench.observer.of(VmRemoved)} == gone
    assert completed.swept["vm"] == 20
    after = await get(bench.pool, "lab")
    assert (after.held, after.brake_released) == (None, False)


async def test_g4_a_second_snapshot_that_agrees_releases_it(bench: Bench, sim: RunningSimulator) -> None:
    gone = await lose_half(bench, sim)
    seen = bench.observer.seen
    async with bench.collector(QUICK.model_copy(update={"brake_recheck_seconds": 0.5})):
        held = await bench.observer.first(SnapshotHeld, seen)
        completed = await bench.observer.first(SnapshotCompleted, seen)
    assert completed.epoch > held.epoch
    assert {fact.moid for fact in bench.observer.of(VmRemoved)} == gone


async def test_g4_a_restart_is_no_second_snapshot(bench: Bench, sim: RunningSimulator) -> None:
    await lose_half(bench, sim)
    for _ in range(2):
        seen = bench.observer.seen
        async with bench.collector():
            await bench.observer.first(SnapshotHeld, seen)
    assert bench.observer.of(VmRemoved) == []


@pytest.mark.parametrize("page_objects", [3, 100], ids=["page by page", "in one page"])
async def test_g4_many_leaving_at_once_are_believed_only_after_a_second_look(
    bench: Bench, sim: RunningSimulator, page_objects: int
) -> None:
    await bench.register(sim)
    async with bench.collector(QUICK.model_copy(update={"page_objects": page_objects})):
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        for moid in sorted(sim.world.machines)[:20]:
            sim.world.remove_vm(moid)
        await bench.observer.first(SnapshotHeld, seen)
    assert bench.observer.of(VmRemoved) == []

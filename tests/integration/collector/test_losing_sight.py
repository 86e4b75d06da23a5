"""G4: no way a session can die removes anything, and each of them heals."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from prometheus_client import REGISTRY

from services.collector.registry import NewVcenter, add, change, get
from services.collector.vsphere.session import Session
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
from tests.integration.collector.conftest import PASSWORD, QUICK, Bench, simulator
from tests.integration.collector.steps import Step, interrupt
from tests.integration.collector.truth import add_up, applied

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


async def test_g4_a_snapshot_that_breaks_off_sweeps_nothing(bench: Bench, sim: RunningSimulator) -> None:
    """Only a full read to its last page tells what is gone."""
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    gone = max(sim.world.machines)
    sim.world.remove_vm(gone)
    seen = len(await bench.observer.read())

    async def expire() -> None:
        sim.world.expire_sessions()

    restore = interrupt(Step((Session,), "next_page", "after", nth=3), expire)
    try:
        async with bench.collector(QUICK.model_copy(update={"page_objects": 5})):
            completed = await bench.observer.first(SnapshotCompleted, seen)
    finally:
        restore()
    assert completed.epoch == 3
    assert len(bench.observer.of(VcenterLost, seen)) >= 1
    assert {(fact.moid, fact.epoch) for fact in bench.observer.of(VmRemoved)} == {(gone, 3)}


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


@pytest.mark.parametrize("mode", MODES)
async def test_heartbeats_claim_no_freshness_from_the_loss_to_the_next_full_read(
    bench: Bench, sim: RunningSimulator, mode: str
) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.blind(mode)
        await bench.observer.first(VcenterLost, seen)
        await asyncio.sleep(2.5)  # heartbeats would be due
        sim.world.blind(mode, on=False)
        await bench.observer.first(VcenterHeartbeat, seen, lambda fact: fact.epoch > 1)
    types = [type(envelope.data) for envelope in bench.observer.envelopes[seen:]]
    between = types[types.index(VcenterLost) : types.index(SnapshotCompleted)]
    assert VcenterHeartbeat not in between


async def test_a_session_that_was_idle_for_too_long_is_loss_of_sight_and_heals(bench: Bench) -> None:
    async with simulator(idle_seconds=0.7) as sim:
        await bench.register(sim)
        async with bench.collector():
            await bench.observer.first(VcenterHeartbeat)
            lost = await bench.observer.first(VcenterLost)
            await bench.observer.first(SnapshotCompleted, bench.observer.seen)
    assert lost.cause == "session_ended"
    assert removals(bench) == []


async def test_answers_that_are_lost_on_the_way_are_asked_for_again(
    bench: Bench, sim: RunningSimulator
) -> None:
    """The vCenter believes that it told; a new login's full read makes up for it."""
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        sim.world.cut_connections(2, performed=True)
        sim.world.rename(min(sim.world.machines), "told into the void")
        await bench.observer.first(VmChanged, where=lambda fact: fact.name == "told into the void")
        await bench.observer.first(SnapshotCompleted, where=lambda fact: fact.epoch > 1)
        await add_up(bench.observer, sim)
    assert removals(bench) == []


async def test_what_came_and_went_during_an_outage_leaves_no_trace(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        sim.world.blind("fault")
        await bench.observer.first(VcenterLost, seen)
        brief = sim.world.create_vm("came and went")
        stays = sim.world.create_vm("came and stayed")
        sim.world.remove_vm(brief.moid)
        sim.world.blind("fault", on=False)
        await bench.observer.first(SnapshotCompleted, seen)
        picture = applied(bench.observer)
        assert ("vm", stays.moid) in picture
        await add_up(bench.observer, sim)
    assert brief.moid not in {fact.moid for fact in bench.observer.of(VmChanged)}
    assert removals(bench) == []


@pytest.mark.parametrize("watched", [True, False], ids=["while it is watched", "while nobody watches"])
async def test_a_vcenter_restored_from_backup_is_read_anew(
    bench: Bench, sim: RunningSimulator, watched: bool
) -> None:
    """Versions and ids go back: ids are used again for other VMs, and what the backup lacks is swept."""
    world = sim.world

    def live_on() -> None:
        world.create_vm("after the backup")
        world.create_vm("another one")
        world.remove_vm(min(world.machines))
        world.rename(max(world.machines), "renamed after the backup")

    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        live_on()
        await bench.observer.first(VmChanged, where=lambda fact: fact.name == "renamed after the backup")
        if watched:
            seen = bench.observer.seen
            world.rewind()
            world.create_vm("first after the restore")
            await bench.observer.first(SnapshotCompleted, seen)
            await add_up(bench.observer, sim)
    if not watched:
        seen = len(await bench.observer.read())
        world.rewind()
        world.create_vm("first after the restore")
        async with bench.collector():
            await bench.observer.first(SnapshotCompleted, seen)
            await add_up(bench.observer, sim)


async def test_the_same_vcenter_at_a_new_address_goes_on_and_another_one_is_refused(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with simulator(seed=77, vms=5) as other, bench.collector():
        first = await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        await change(bench.pool, "lab", url=other.url)
        lost = await bench.observer.first(VcenterLost, seen)
        assert lost.cause == "identity_changed"
        assert "patchbay vcenter remove lab" in lost.detail
        assert lost.vcenter == first.vcenter
        await change(bench.pool, "lab", url=sim.url.replace("127.0.0.1", "localhost"))
        completed = await bench.observer.first(SnapshotCompleted, seen)
        assert (completed.vcenter, sum(completed.swept.values())) == (first.vcenter, 0)
    assert removals(bench) == []


async def test_a_certificate_that_is_not_the_pinned_one_is_refused(bench: Bench) -> None:
    async with simulator(self_signed=True) as sim:
        pinned = NewVcenter(
            *("lab", sim.url, f"text:{sim.settings.user}", f"file:{bench.password_file}"),
            tls="thumbprint",
            tls_detail="0" * 64,
        )
        await add(bench.pool, pinned)
        async with bench.collector():
            refused = await bench.registered("lab", lambda vcenter: vcenter.state == "lost")
            assert "certificate not the pinned one" in refused.state_detail
            shown = refused.state_detail.rpartition(" ")[2]
            assert not sim.world.sessions
            await change(bench.pool, "lab", tls_detail=shown)
            await bench.observer.first(SnapshotCompleted)
    assert PASSWORD not in refused.state_detail


async def test_a_clock_that_differs_is_noticed(bench: Bench, sim: RunningSimulator) -> None:
    sim.world.set_time_skew(-90)
    await bench.register(sim)
    with structlog.testing.capture_logs() as entries:
        async with bench.collector():
            await bench.observer.first(VcenterHeartbeat)
    [noticed] = [entry for entry in entries if entry["event"] == "clocks differ"]
    assert -95 <= noticed["seconds"] <= -85
    assert noticed["vcenter"] == "lab"
    kept = (await get(bench.pool, "lab")).clock_skew_seconds
    assert kept is not None
    assert -95 <= kept <= -85
    assert REGISTRY.get_sample_value("patchbay_collector_clock_skew_seconds", {"vcenter": "lab"}) == (
        pytest.approx(kept, abs=0.1)
    )

"""Operators have one VM or one datacenter read again: its facts are told anew, within the epoch."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.collector import registry
from services.collector.registry import Vcenter, get
from services.simulator.app import RunningSimulator
from shared.events.base import Fact
from shared.events.commands import Complaint, VcenterPause, VcenterResume, VcenterResync
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import HostChanged, PortgroupChanged, SnapshotCompleted, VmChanged, VmRemoved
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat
from tests.integration.collector.conftest import Bench, simulator
from tests.integration.collector.test_registering import ask
from tests.integration.collector.truth import add_up

pytestmark = pytest.mark.postgres


async def complaint(bench: Bench, command: VcenterResync) -> Complaint:
    said = (await ask(bench, command)).complaint
    assert said is not None
    return said


async def test_one_vm_is_told_again_though_nothing_changed(bench: Bench, sim: RunningSimulator) -> None:
    vm = next(vm for vm in sim.world.machines.values() if vm.guest.tools_running and not vm.template)
    await bench.register(sim)
    async with bench.collector():
        before = await bench.observer.first(VcenterHeartbeat)
        for named in (vm.moid, vm.name):
            seen = bench.observer.seen
            reply = await ask(bench, VcenterResync(vcenter=before.vcenter, vm=named))
            assert reply.result is not None
            assert reply.result["read_again"] == f"vm/{vm.moid}"
            told = await bench.observer.first(VmChanged, seen)
            await bench.observer.first(GuestAddressesChanged, seen)
            assert (told.moid, told.epoch) == (vm.moid, before.epoch)
        assert {fact.moid for fact in bench.observer.of(VmChanged, seen)} == {vm.moid}
        assert len(bench.observer.of(VcenterConnected)) == 1
        assert (await get(bench.pool, "lab")).rereads == []
        await add_up(bench.observer, sim)


async def test_one_datacenter_is_told_again_and_the_others_are_not(bench: Bench) -> None:
    async with simulator(vms=60, hosts=34, datacenters=2) as sim:
        await bench.register(sim)
        async with bench.collector():
            before = await bench.observer.first(VcenterHeartbeat)
            known = await bench.registered("lab", lambda vcenter: len(vcenter.datacenters) == 2)
            moid, name = min(known.datacenters.items())
            inside = _vms_of(bench, moid)
            assert inside
            assert len(inside) < len(sim.world.machines)
            for named in (name, moid):
                seen = bench.observer.seen
                reply = await ask(bench, VcenterResync(vcenter=before.vcenter, datacenter=named))
                assert reply.result is not None
                assert reply.result["read_again"] == f"datacenter/{moid}"
                await bench.observer.until(
                    lambda: {fact.moid for fact in bench.observer.of(VmChanged, seen)} == inside,  # noqa: B023
                    "its VMs",
                )
            told: list[Fact] = [*bench.observer.of(HostChanged, seen)]
            assert told
            assert bench.observer.of(PortgroupChanged, seen)
            assert {fact.epoch for fact in told} == {before.epoch}
            assert bench.observer.of(VmRemoved) == []
            await add_up(bench.observer, sim)


def _vms_of(bench: Bench, datacenter: str) -> set[str]:
    return {
        fact.moid
        for fact in bench.observer.newest(VmChanged).values()
        if fact.datacenter is not None and fact.datacenter == datacenter
    }


async def test_what_is_not_known_or_not_unique_gets_a_complaint(bench: Bench, sim: RunningSimulator) -> None:
    one, other = sorted(sim.world.machines)[:2]
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        datacenters = (await bench.registered("lab", lambda found: bool(found.datacenters))).datacenters
        unknown = await complaint(bench, VcenterResync(vcenter=vcenter, vm="vm-nowhere"))
        assert (unknown.code, unknown.field) == ("vm_unknown", "vm")
        nowhere = await complaint(bench, VcenterResync(vcenter=vcenter, datacenter="nowhere"))
        assert (nowhere.code, nowhere.field) == ("datacenter_unknown", "datacenter")
        assert all(name in nowhere.message for name in datacenters.values())
        await bench.pool.execute(
            "UPDATE collector.known_object SET name = 'twin' WHERE moid = ANY ($1::text[])", [one, other]
        )
        twins = await complaint(bench, VcenterResync(vcenter=vcenter, vm="twin"))
        assert twins.code == "vm_ambiguous"
        assert one in twins.message
        assert other in twins.message
    with pytest.raises(ValidationError, match="not both"):
        VcenterResync(vcenter=vcenter, vm="a", datacenter="b")


async def test_a_wish_while_nobody_watches_is_answered_by_the_next_login(
    bench: Bench, sim: RunningSimulator
) -> None:
    vm = min(sim.world.machines)
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        await ask(bench, VcenterPause(vcenter=vcenter))
        await bench.registered("lab", lambda found: found.state == "paused")
        await ask(bench, VcenterResync(vcenter=vcenter, vm=vm))
        assert (await _registered(bench)).rereads == [f"vm/{vm}"]
        seen = bench.observer.seen
        await ask(bench, VcenterResume(vcenter=vcenter))
        await bench.observer.first(SnapshotCompleted, seen)
        assert len([fact for fact in bench.observer.of(VmChanged, seen) if fact.moid == vm]) == 1
        assert (await _registered(bench)).rereads == []


async def _registered(bench: Bench) -> Vcenter:
    return await registry.get(bench.pool, "lab")


async def test_g4_a_vm_that_vanished_meanwhile_is_left_to_the_stream(
    bench: Bench, sim: RunningSimulator
) -> None:
    gone = min(sim.world.machines)
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        await ask(bench, VcenterResync(vcenter=vcenter, vm=gone))
        sim.world.remove_vm(gone)
        removed = await bench.observer.first(VmRemoved)
        assert (removed.moid, removed.how) == (gone, "observed")
        seen = bench.observer.seen
        await bench.observer.first(VcenterHeartbeat, seen)
        assert len(bench.observer.of(VcenterConnected)) == 1
        await add_up(bench.observer, sim)

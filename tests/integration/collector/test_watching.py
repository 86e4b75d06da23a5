"""Snapshot, changes, removals: what the vCenter has is what the bus was told."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from pyVim.connect import SmartConnect

from services.collector.registry import all_vcenters, get
from services.simulator.app import RunningSimulator
from services.simulator.soap_server import SoapServer
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import (
    HostChanged,
    PortgroupChanged,
    SnapshotCompleted,
    SnapshotStarted,
    VmChanged,
    VmRemoved,
)
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from tests.integration.collector.conftest import PASSWORD, QUICK, USER, Bench, simulator
from tests.integration.collector.direct import DirectRead, told

pytestmark = pytest.mark.postgres


def log_in(sim: RunningSimulator) -> Any:
    """The service content of a session of plain pyVmomi's."""
    parts, connect = urlsplit(sim.url), cast(Any, SmartConnect)
    return connect(
        protocol="http", host=parts.hostname, port=parts.port, user=USER, pwd=PASSWORD
    ).RetrieveContent()


async def test_a_snapshot_tells_of_everything_between_its_markers(
    bench: Bench, sim: RunningSimulator
) -> None:
    vcenter = await bench.register(sim)
    async with bench.collector():
        completed = await bench.observer.first(SnapshotCompleted)
    connected = bench.observer.of(VcenterConnected)[0]
    assert connected.name == "lab"
    assert str(connected.vcenter) == sim.world.instance_uuid
    vms = bench.observer.of(VmChanged)
    assert {fact.moid for fact in vms} == set(sim.world.machines)
    assert completed.counts["vm"] == len(sim.world.machines)
    assert completed.counts["host"] == len(bench.observer.of(HostChanged))
    assert all(
        bench.observer.of(SnapshotStarted)[0].sequence < fact.sequence < completed.sequence for fact in vms
    )
    assert (await get(bench.pool, "lab")).instance_uuid == connected.vcenter
    assert vcenter.instance_uuid is None


async def test_sequences_have_no_gap_and_ids_are_unique(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    sequences = [envelope.data.sequence for envelope in bench.observer.envelopes]  # type: ignore[attr-defined]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len({envelope.id for envelope in bench.observer.envelopes}) == len(sequences)


async def test_changes_additions_and_removals_arrive(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        vm = sim.world.create_vm("fresh")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "fresh")
        sim.world.annotate(vm.moid, "patchbay-reservation: 0f0e0d0c-0b0a-4908-8706-050403020100")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.reservation is not None)
        sim.world.rename(vm.moid, "renamed")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "renamed")
        sim.world.remove_vm(vm.moid)
        gone = await bench.observer.first(VmRemoved, seen)
    assert (gone.moid, gone.name, gone.how) == (vm.moid, "renamed", "observed")


async def test_a_snapshot_is_what_a_direct_read_finds_property_by_property(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(SnapshotCompleted)
    expected = await asyncio.to_thread(lambda: DirectRead(log_in(sim)).facts())
    for kind, facts in expected.items():
        assert facts
        assert told(bench.observer, kind) == facts, kind.TYPE


async def test_an_address_set_in_a_guest_arrives_on_its_device(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        told = next(fact for fact in bench.observer.of(GuestAddressesChanged) if fact.ports)
        seen, key = bench.observer.seen, told.ports[0].key
        sim.world.set_guest_addresses(told.moid, key, [("10.200.0.7", 24)])
        fact = await bench.observer.first(GuestAddressesChanged, seen)
    port = next(port for port in fact.ports if port.key == key)
    assert [(ip.address, ip.prefix) for ip in port.addresses] == [("10.200.0.7", 24)]
    assert fact.moid == told.moid


async def test_docker_churn_and_reorders_are_no_events(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        told = [fact for fact in bench.observer.of(GuestAddressesChanged) if fact.ports]
        seen = bench.observer.seen
        for fact in told:
            sim.world.add_docker_bridges(fact.moid, 3)
            sim.world.shuffle_guest(fact.moid)
        sim.world.rename(told[0].moid, "after the noise")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "after the noise")
        await bench.observer.first(VcenterHeartbeat, seen)
        vcenter = await bench.registered("lab", lambda vcenter: bool(vcenter.suppressed))
    assert bench.observer.of(GuestAddressesChanged, seen) == []
    assert set(vcenter.suppressed) & {"foreign_device", "reordered"}


async def test_a_flapping_vm_is_told_of_at_once_then_together_and_holds_nobody_up(
    bench: Bench, sim: RunningSimulator
) -> None:
    await bench.register(sim)
    async with bench.collector(QUICK.model_copy(update={"coalesce_seconds": 2.0})):
        await bench.observer.first(VcenterHeartbeat)
        flapping, quiet = list(sim.world.machines.values())[:2]
        seen = bench.observer.seen
        sim.world.rename(flapping, "flap 0")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "flap 0")
        for number in range(1, 6):
            sim.world.rename(flapping, f"flap {number}")
            await asyncio.sleep(0.05)
        sim.world.rename(quiet, "in between")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "in between")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "flap 5")
    names = [fact.name for fact in bench.observer.of(VmChanged, seen)]
    assert names == ["flap 0", "in between", "flap 5"]


async def test_port_groups_and_hosts_come_with_their_state(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        groups = bench.observer.newest(PortgroupChanged).values()
        assert any(group.uplink for group in groups)
        assert {group.kind for group in groups} == {"standard", "distributed"}
        assert all(group.vlan.kind != "unknown" for group in groups)
        wires = {group.moid for group in groups if not group.uplink}
        ports = [port for fact in bench.observer.of(VmChanged) for port in fact.ports]
        assert {port.network for port in ports} <= wires
        host = bench.observer.of(HostChanged)[0]
        seen = bench.observer.seen
        sim.world.disconnect_host(host.moid)
        off = await bench.observer.first(HostChanged, seen, lambda fact: fact.connection == "disconnected")
    assert (off.moid, off.memory_mb) == (host.moid, host.memory_mb)
    assert bench.observer.of(VmRemoved) == []


async def test_two_vcenters_with_the_same_object_ids_are_kept_apart(
    bench: Bench, sim: RunningSimulator
) -> None:
    async with simulator(seed=6) as other:
        await bench.register(sim, "one")
        await bench.register(other, "two")
        async with bench.collector():
            await bench.observer.until(
                lambda: len(bench.observer.of(SnapshotCompleted)) == 2, "two snapshots"
            )
            held = bench.observer.newest(VmChanged)
            assert len(held) == len(sim.world.machines) + len(other.world.machines)
            # One of them falling silent does not delay the other.
            sim.world.delay(3600)
            seen = bench.observer.seen
            vm = other.world.create_vm("fresh")
            fact = await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "fresh")
    assert (str(fact.vcenter), fact.moid) == (other.world.instance_uuid, vm.moid)


async def test_stopping_says_so(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    lost = await bench.observer.first(VcenterLost)
    assert lost.cause == "stopped"
    assert [vcenter.state for vcenter in await all_vcenters(bench.pool)] == ["stopped"]
    assert not [session for session in sim.world.sessions.values() if session.dead is None]


@pytest.mark.parametrize(("vms", "hosts"), [(40, 4), (160, 16)])
async def test_what_is_asked_of_a_vcenter_does_not_grow_with_hosts_times_port_groups(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, vms: int, hosts: int
) -> None:
    """W13: one stream tells everything; a change is told by it, and nothing is read a second time."""
    asked: list[str] = []
    perform = SoapServer._performed

    async def counted(server: SoapServer, call: Any) -> Any:
        asked.append(call.method)
        return await perform(server, call)

    monkeypatch.setattr(SoapServer, "_performed", counted)
    async with simulator(vms=vms, hosts=hosts) as sim:
        await bench.register(sim)
        async with bench.collector(QUICK.model_copy(update={"page_objects": 500})):
            await bench.observer.first(VcenterHeartbeat)
            to_begin, seen = Counter(asked), bench.observer.seen
            asked.clear()
            moid = next(iter(sim.world.machines))
            sim.world.rename(moid, "renamed")
            await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "renamed")
            to_go_on = set(asked)
    waits = to_begin.pop("WaitForUpdatesEx")
    assert to_go_on <= {"WaitForUpdatesEx", "CurrentTime"}, to_go_on
    assert sum(to_begin.values()) < 20, to_begin
    assert waits < 20
    assert [fact.moid for fact in bench.observer.of(VmChanged, seen)] == [moid]

"""G2: a version is acknowledged only after the bus confirmed its events, whatever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from services.simulator.app import RunningSimulator
from shared.bus.port import Bus, BusLost, Message, PublishFailed
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import SnapshotCompleted, VmChanged, VmRemoved
from shared.events.vcenter import VcenterHeartbeat
from tests.integration.collector.conftest import Bench

pytestmark = pytest.mark.postgres
Fault = Callable[[Sequence[Message]], BaseException | None]


class FaultyBus:
    """A real bus whose publishing fails or hangs as told: `before` anything was sent, or `after` all was."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.before: Fault = lambda _: None
        self.after: Fault = lambda _: None
        self.hang: Literal["before", "after"] | None = None
        self.hung = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        await self._maybe_hang("before")
        if error := self.before(messages):
            raise error
        await self._bus.publish(messages, to_queue=to_queue)
        await self._maybe_hang("after")
        if error := self.after(messages):
            raise error

    async def _maybe_hang(self, when: str) -> None:
        if self.hang == when:
            self.hung.set()
            await asyncio.Event().wait()


def once(error: BaseException) -> Fault:
    errors = [error]
    return lambda _: errors.pop() if errors else None


async def test_g2_a_lost_confirmation_repeats_the_same_events(bench: Bench, sim: RunningSimulator) -> None:
    faulty = FaultyBus(bench.bus)
    await bench.register(sim)
    async with bench.collector(bus=faulty):
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        faulty.after = once(BusLost("the confirmation was lost"))
        sim.world.rename(min(sim.world.machines), "renamed")
        await bench.observer.first(VmChanged, seen)
        await bench.observer.first(VcenterHeartbeat, seen)
    told = [envelope for envelope in bench.observer.envelopes[seen:] if isinstance(envelope.data, VmChanged)]
    assert len(told) == 2
    assert told[0] == told[1]


async def test_g2_only_what_was_not_confirmed_is_repeated(bench: Bench, sim: RunningSimulator) -> None:
    faulty = FaultyBus(bench.bus)
    faulty.after = once(PublishFailed([1], "one of them"))
    await bench.register(sim)
    async with bench.collector(bus=faulty):
        await bench.observer.first(SnapshotCompleted)
    types = [envelope.type for envelope in bench.observer.envelopes[:3]]
    assert types == ["vcenter.connected", "inventory.snapshot.started", "inventory.snapshot.started"]


async def test_g2_while_the_bus_is_away_no_version_is_acknowledged(
    bench: Bench, sim: RunningSimulator
) -> None:
    faulty = FaultyBus(bench.bus)
    await bench.register(sim)
    async with bench.collector(bus=faulty):
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        faulty.before = lambda _: BusLost("away")
        vms = sorted(sim.world.machines)[:5]
        for moid in vms:
            sim.world.rename(moid, f"{moid} renamed")
            await asyncio.sleep(0.05)
        faulty.before = lambda _: None
        wanted = {f"{moid} renamed" for moid in vms}
        await bench.observer.until(
            lambda: wanted <= {fact.name for fact in bench.observer.of(VmChanged, seen)}, "every new name"
        )


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_g2_killed_between_reading_and_acknowledging_loses_nothing(
    bench: Bench, sim: RunningSimulator, moment: Literal["before", "after"]
) -> None:
    """A removal and an addition that the first collector had read are told by the next one."""
    faulty = FaultyBus(bench.bus)
    await bench.register(sim)
    first = bench.collector(bus=faulty)
    async with first:
        await bench.observer.first(VcenterHeartbeat)
        faulty.hang = moment
        gone, kept = min(sim.world.machines), max(sim.world.machines)
        sim.world.remove_vm(gone)
        sim.world.rename(kept, "kept")
        await asyncio.wait_for(faulty.hung.wait(), 20)
        await first.kill()
    seen = await _count(bench)
    async with bench.collector():
        await bench.observer.first(SnapshotCompleted, seen)
    assert f"vm/{gone}" in {
        envelope.subject for envelope in bench.observer.envelopes if isinstance(envelope.data, VmRemoved)
    }
    newest = {fact.moid: fact.name for fact in bench.observer.newest(VmChanged).values()}
    assert newest[kept] == "kept"


async def _count(bench: Bench) -> int:
    return len(await bench.observer.read())


async def test_g2_killed_at_any_moment_of_a_busy_hour_converges(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    for round_number in range(4):
        collector = bench.collector()
        async with collector:
            await bench.observer.first(VcenterHeartbeat, bench.observer.seen if round_number else 0)
            for moid in sorted(sim.world.machines)[:6]:
                sim.world.rename(moid, f"{moid}-{round_number}")
            sim.world.remove_vm(max(sim.world.machines))
            sim.world.create_vm(f"new-{round_number}")
            await asyncio.sleep(0.01 * round_number)
            await collector.kill()
        await bench.observer.read()
    seen = bench.observer.seen
    async with bench.collector():
        await bench.observer.first(SnapshotCompleted, seen)
    removed = {fact.moid: fact.order for fact in bench.observer.newest(VmRemoved).values()}
    held = {
        fact.moid: fact.name
        for fact in bench.observer.newest(VmChanged).values()
        if fact.moid not in removed or fact.order > removed[fact.moid]
    }
    assert held == {moid: vm.name for moid, vm in sim.world.machines.items()}
    assert bench.observer.of(GuestAddressesChanged)

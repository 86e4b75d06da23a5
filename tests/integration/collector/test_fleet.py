"""Many vCenters in one process: none delays another, and all of them change at run time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from services.collector import registry
from services.simulator.app import RunningSimulator
from shared.events.inventory import SnapshotCompleted, VmChanged, VmRemoved
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from shared.runtime.errors import PermanentError
from tests.integration.collector.conftest import PASSWORD, Bench, simulator
from tests.integration.collector.truth import add_up

pytestmark = pytest.mark.postgres


async def renamed(bench: Bench, sim: RunningSimulator, name: str) -> None:
    """A change there is told."""
    seen = len(await bench.observer.read())
    sim.world.rename(min(sim.world.machines), name)
    await bench.observer.first(VmChanged, seen, lambda fact: fact.name == name)


async def connected(bench: Bench, sim: RunningSimulator, seen: int = 0) -> None:
    identity = sim.world.instance_uuid
    await bench.observer.first(VcenterHeartbeat, seen, lambda fact: str(fact.vcenter) == identity)


async def test_a_vcenter_that_hangs_delays_no_other(bench: Bench, sim: RunningSimulator) -> None:
    async with AsyncExitStack() as stack:
        hanging = [await stack.enter_async_context(simulator(seed=seed, vms=5)) for seed in (21, 22, 23)]
        for number, other in enumerate(hanging):
            await bench.register(other, f"hanging-{number}")
        hanging[0].world.delay(3600)
        await bench.register(sim)
        async with bench.collector():
            for other in (sim, *hanging[1:]):
                await connected(bench, other)
            hanging[1].world.delay(3600)
            await renamed(bench, sim, "while others hang")
            await renamed(bench, hanging[2], "here, too")


@asynccontextmanager
async def flooding(sim: RunningSimulator) -> AsyncIterator[None]:
    """Every VM changes again and again, as fast as the vCenter can."""

    async def flood() -> None:
        turn = 0
        while True:
            turn += 1
            for moid in list(sim.world.machines):
                sim.world.rename(moid, f"{moid} turn {turn}")
            await asyncio.sleep(0.01)

    task = asyncio.create_task(flood())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_vcenter_that_floods_delays_no_other(bench: Bench, sim: RunningSimulator) -> None:
    async with simulator(seed=31, vms=100) as loud:
        await bench.register(loud, "loud")
        await bench.register(sim)
        async with bench.collector():
            await connected(bench, sim)
            await connected(bench, loud)
            async with flooding(loud):
                for number in range(5):
                    await renamed(bench, sim, f"told in the flood {number}")
                gone = min(sim.world.machines)
                sim.world.remove_vm(gone)
                await bench.observer.first(VmRemoved, where=lambda fact: fact.moid == gone)
            await add_up(bench.observer, loud)


async def test_a_registration_changes_under_a_running_collector(
    bench: Bench, sim: RunningSimulator, tmp_path: Path
) -> None:
    """Another address, account, scope: a new login, with nothing lost and nothing removed."""
    await bench.register(sim)
    async with bench.collector():
        first = await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        elsewhere = tmp_path / "kept elsewhere"
        elsewhere.write_text(PASSWORD)
        address = sim.url.replace("127.0.0.1", "localhost")
        await registry.change(
            bench.pool, "lab", name="hamburg", url=address, password_ref=f"file:{elsewhere}", scope="dmz"
        )
        again = await bench.observer.first(SnapshotCompleted, seen)
        beat = await bench.observer.first(VcenterHeartbeat, seen, lambda fact: fact.epoch == again.epoch)
        assert (again.vcenter, again.epoch) == (first.vcenter, first.epoch + 1)
        assert beat.name == "hamburg"
        told = [fact for fact in bench.observer.of(VmChanged, seen) if fact.epoch == again.epoch]
        assert len(told) == len(sim.world.machines)
        assert {fact.scope for fact in told} == {beat.scope, again.scope} == {"dmz"}
        assert sum(again.swept.values()) == 0
        assert bench.observer.of(VcenterLost, seen) == []


async def test_mistakes_in_a_change_leave_the_registration_as_it_was(
    bench: Bench, sim: RunningSimulator
) -> None:
    before = await bench.register(sim)
    await bench.register(sim, "other")
    for changes in (
        {"name": "other"},
        {"url": "ftp://vc"},
        {"password_ref": PASSWORD},
        {"tls": "thumbprint", "tls_detail": "ab"},
        {"proxy": "text:http://user:secret@proxy:3128"},
        {"proxy": "text:socks5://proxy:1080"},
        {"scope": " "},
    ):
        with pytest.raises(PermanentError) as refused:
            await registry.change(bench.pool, "lab", **changes)
        said = f"{refused.value} {refused.value.hint}"
        assert PASSWORD not in said
        assert "secret" not in said
    assert await registry.get(bench.pool, "lab") == before


async def test_vcenters_are_added_paused_and_removed_beside_others(
    bench: Bench, sim: RunningSimulator
) -> None:
    async with simulator(seed=41, vms=5) as other:
        await bench.register(sim)
        async with bench.collector():
            await connected(bench, sim)
            await bench.register(other, "other")
            await connected(bench, other)
            await registry.pause(bench.pool, "other")
            await bench.registered("other", lambda vcenter: vcenter.state == "paused")
            await renamed(bench, sim, "while the other is paused")
            seen = bench.observer.seen
            await registry.resume(bench.pool, "other")
            await connected(bench, other, seen)
            await registry.remove(bench.pool, "other")
            await bench.observer.first(
                VcenterLost, seen, lambda fact: str(fact.vcenter) == other.world.instance_uuid
            )
            await renamed(bench, sim, "while the other is gone")
            mine = [
                fact
                for fact in bench.observer.of(VcenterConnected)
                if str(fact.vcenter) == sim.world.instance_uuid
            ]
            assert len(mine) == 1
            assert bench.observer.of(VmRemoved) == []

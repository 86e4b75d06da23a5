"""Random schedules of changes and faults on everything a collector depends on: in the end, facts = vCenter.

Also, nothing was ever said to be gone that the vCenter still had (G4), and nothing was lost (G2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from services.collector import registry
from services.simulator.world.sessions import BLIND_MODES
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus, BusLost, Message, PublishFailed
from shared.events.inventory import HostRemoved, PortgroupRemoved, SwitchRemoved, VmRemoved
from shared.events.topology import TOPOLOGY
from shared.store.connection import connect
from shared.store.pool import open_pool
from tests.integration.collector.conftest import PASSWORD, QUICK, Bench, Collector, simulator
from tests.integration.collector.observing import Observer
from tests.integration.collector.truth import add_up
from tests.property.simulator.actions import ACTIONS, Action, Number, act

pytestmark = pytest.mark.postgres

T = TypeVar("T")
SEEDS = count(1000)
SETTINGS = QUICK.model_copy(update={"brake_recheck_seconds": 1.0})
CHANGES = st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), Number, Number), min_size=1, max_size=8)
MOMENT = st.sampled_from([0.0, 0.01, 0.1, 0.4])


class UnreliableBus:
    """A real bus that is away at times, or loses confirmations."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.away = False
        self.unconfirmed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        if self.away:
            raise BusLost("away")
        await self._bus.publish(messages, to_queue=to_queue)
        if self.unconfirmed and not to_queue:
            self.unconfirmed -= 1
            raise PublishFailed([len(messages) - 1], "the last confirmation was lost")


class Scene:
    """One vCenter, one collector at a time, one bus, and what goes wrong between them."""

    def __init__(self, database: str, secret: Path) -> None:
        self._database = database
        self._secret = secret
        self._stack = AsyncExitStack()
        self._collector: Collector | None = None
        self.vanished: set[str] = set()

    async def begin(self) -> None:
        self._pool = await open_pool(self._database, name="test")
        self._stack.push_async_callback(self._pool.close)
        plain = await connect_bus(amqp_url=None, database_url=self._database, name="test")
        self._stack.push_async_callback(plain.close)
        await plain.declare(TOPOLOGY)
        self.bus = UnreliableBus(plain)
        self.bench = Bench(self._pool, plain, self._database, Observer(plain), self._secret)
        seed = next(SEEDS)
        self.sim = await self._stack.enter_async_context(simulator(seed=seed, vms=20))
        self.name = f"vc-{seed}"
        await self.bench.register(self.sim, self.name)
        await self.start()

    async def start(self) -> None:
        self._collector = self.bench.collector(SETTINGS, bus=self.bus)
        await self._collector.__aenter__()

    async def kill(self) -> None:
        assert self._collector is not None
        await self._collector.kill()
        self._collector = None

    async def change(self, actions: list[Action]) -> None:
        there = set(self.sim.world.objects)
        for action in actions:
            act(self.sim.world, action)
            await asyncio.sleep(0.002)
        self.vanished |= there - set(self.sim.world.objects)

    async def lose_lock(self) -> None:
        """The connection that holds the lock is cut by the database."""
        connection = await connect(self._database, name="test")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'patchbay-collector-lock' AND datname = current_database()"
        )
        await connection.close()

    async def converge(self) -> None:
        """End every fault; then the facts have to add up by themselves."""
        world = self.sim.world
        if world.blindness is not None:
            world.blind(world.blindness, on=False)
        world.delay(0)
        world.cuts = world.late_cuts = 0
        self.bus.away, self.bus.unconfirmed = False, 0
        await registry.resume(self._pool, self.name)
        if self._collector is None:
            await self.start()
        observer = self.bench.observer
        await add_up(observer, self.sim)
        for kind in (HostRemoved, SwitchRemoved, PortgroupRemoved, VmRemoved):
            gone = {fact.moid for fact in observer.of(kind) if str(fact.vcenter) == world.instance_uuid}
            assert gone <= self.vanished

    async def end(self) -> None:
        if self._collector is not None:
            await self._collector.__aexit__()
        await registry.remove(self._pool, self.name)
        await self._stack.aclose()


class Schedule(RuleBasedStateMachine):
    """Steps at random. Time passes only within a step."""

    database: str
    secret: Path

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._scene = Scene(self.database, self.secret)
        self._running = True
        self._do(self._scene.begin())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _while(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @rule(actions=CHANGES, moment=MOMENT)
    def change(self, actions: list[Action], moment: float) -> None:
        self._do(self._scene.change(actions))
        self._do(self._while(moment))

    @rule(seconds=st.sampled_from([0.3, 1.2]))
    def wait(self, seconds: float) -> None:
        self._do(self._while(seconds))

    @rule(mode=st.sampled_from(BLIND_MODES), moment=MOMENT)
    def session_expires(self, mode: str, moment: float) -> None:
        self._scene.sim.world.expire_sessions(mode)
        self._do(self._while(moment))

    @rule(mode=st.sampled_from(BLIND_MODES), actions=CHANGES, moment=MOMENT)
    def blind_for_a_while(self, mode: str, actions: list[Action], moment: float) -> None:
        self._scene.sim.world.blind(mode)
        self._do(self._scene.change(actions))
        self._do(self._while(moment))
        self._scene.sim.world.blind(mode, on=False)

    @rule(count=st.integers(1, 3), performed=st.booleans(), moment=MOMENT)
    def connections_break(self, count: int, performed: bool, moment: float) -> None:
        self._scene.sim.world.cut_connections(count, performed)
        self._do(self._while(moment))

    @rule()
    def all_connections_break(self) -> None:
        self._scene.sim.world.cut_connections()

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5]))
    def answers_are_slow(self, seconds: float) -> None:
        self._scene.sim.world.delay(seconds)

    @rule()
    def versions_become_invalid(self) -> None:
        self._scene.sim.world.restart_versions()

    @precondition(lambda self: self._running)
    @rule(actions=CHANGES, moment=MOMENT)
    def the_collector_is_killed(self, actions: list[Action], moment: float) -> None:
        self._do(self._while(moment))
        self._do(self._scene.kill())
        self._do(self._scene.change(actions))
        self._running = False

    @precondition(lambda self: not self._running)
    @rule(moment=MOMENT)
    def another_collector_starts(self, moment: float) -> None:
        self._do(self._scene.start())
        self._do(self._while(moment))
        self._running = True

    @rule(away=st.booleans(), moment=MOMENT)
    def the_bus_goes_or_comes(self, away: bool, moment: float) -> None:
        self._scene.bus.away = away
        self._do(self._while(moment))

    @rule(count=st.integers(1, 3))
    def confirmations_are_lost(self, count: int) -> None:
        self._scene.bus.unconfirmed = count

    @rule(moment=MOMENT)
    def the_lock_is_lost(self, moment: float) -> None:
        self._do(self._scene.lose_lock())
        self._do(self._while(moment))

    @rule(paused=st.booleans())
    def an_operator_pauses_or_resumes(self, paused: bool) -> None:
        order = registry.pause if paused else registry.resume
        self._do(order(self._scene.bench.pool, self._scene.name))

    @rule()
    def an_operator_wants_all_read_again(self) -> None:
        self._do(registry.request_resync(self._scene.bench.pool, self._scene.name))

    def teardown(self) -> None:
        try:
            self._do(self._scene.converge())
        finally:
            self._do(self._scene.end())
            self._runner.close()


def test_g2_g4_after_any_schedule_of_faults_the_facts_are_what_the_vcenter_holds(
    database: str, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    kind = type("ScheduleHere", (Schedule,), {"database": database, "secret": secret})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            # Each example takes seconds: a failing one is printed as it was found.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

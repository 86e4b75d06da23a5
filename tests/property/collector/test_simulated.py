"""Through a session, like the stream: facts add up to what a new session reads, whatever happens (G2)."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from services.collector.domain.mirror import Mirror
from services.collector.vsphere.endpoint import Credentials, parse_endpoint
from services.collector.vsphere.session import Patience, Session, open_session
from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.settings import SimulatorSettings
from tests.property.simulator.actions import Action, Steps, act
from tests.unit.collector.making import STAMP

PASSWORD = "vmware"


class Reader:
    """A session and what its facts add up to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mirror = Mirror(STAMP)
        self._version = ""
        self.held: dict[tuple[str, str], Any] = {}
        self.wholes = 0

    async def follow(self) -> None:
        """Read until there is nothing more."""
        while True:
            page = await self._session.next_page(self._version, wait_seconds=0, objects=25)
            if page is None:
                return
            self._version = page.version
            self._mirror.apply(page.changes)
            stale = self._mirror.take_stale()
            self.wholes += len(stale)
            self._mirror.apply(await self._session.read_wholes(stale))
            for item in self._mirror.news():
                if item.gone:
                    self.held = {key: fact for key, fact in self.held.items() if key[1] != item.moid}
                else:
                    self.held[item.fact.TYPE, item.moid] = item.fact.model_dump(exclude=NOT_COMPARED)


FORCED = "remove group"
"""The simulator takes a port group away under its VMs, which no vCenter does; VMs then keep their wires."""
NOT_COMPARED: Any = {"sequence": True, "switches": {"__all__": {"ports_available"}}}


def login(running: RunningSimulator) -> AbstractAsyncContextManager[Session]:
    credentials = Credentials("administrator@vsphere.local", SecretStr(PASSWORD))
    return open_session(parse_endpoint(running.url), credentials, patience=Patience(), name="test")


def lasting(held: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Without what a new session can't know: what guests of templates and of the silent once said."""
    return {key: fact for key, fact in held.items() if key[0] != "guest.addresses.changed"}


@settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
@given(rounds=st.lists(Steps, min_size=1, max_size=4), partial=st.booleans())
def test_g2_facts_of_a_session_add_up_to_a_fresh_read(rounds: list[list[Action]], partial: bool) -> None:
    async def scenario() -> None:
        given_ = SimulatorSettings(port=0, vms=14, seed=2, boot_seconds=0, password=SecretStr(PASSWORD))
        async with simulated_vcenter(given_) as running:
            async with login(running) as session:
                await session.watch(partial=partial)
                reader = Reader(session)
                await reader.follow()
                for steps in rounds:
                    for action in steps:
                        if action[0] != FORCED:
                            act(running.world, action)
                    await reader.follow()
            async with login(running) as session:
                await session.watch(partial=False)
                fresh = Reader(session)
                await fresh.follow()
            told, expected = lasting(reader.held), lasting(fresh.held)
            assert told.keys() == expected.keys()
            different = {key: (told[key], expected[key]) for key in told if told[key] != expected[key]}
            assert different == {}

    asyncio.run(scenario())

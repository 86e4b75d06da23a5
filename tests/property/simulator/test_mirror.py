"""Whatever happens, a client that follows updates knows what a client that reads afresh sees (G2)."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from tests.integration.simulator.client import Client, Watched
from tests.property.simulator.actions import Action, Steps, act


@settings(
    max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
@given(rounds=st.lists(Steps, min_size=1, max_size=4), partial=st.booleans(), page=st.integers(3, 40))
def test_updates_add_up_to_a_fresh_read(rounds: list[list[Action]], partial: bool, page: int) -> None:
    async def scenario() -> None:
        settings_ = SimulatorSettings(port=0, vms=14, seed=2, boot_seconds=0, page_limit=page)
        async with simulated_vcenter(settings_) as running:
            client = await asyncio.to_thread(Client, running)
            watched = Watched()
            await asyncio.to_thread(client.watch, None, partial=partial)
            first = await asyncio.to_thread(client.wait, "", 0)
            watched.apply(first)
            # Between the pages of the snapshot, too: each round acts while pages may be outstanding.
            for steps in rounds:
                for action in steps:
                    act(running.world, action)
                update = await asyncio.to_thread(client.wait, watched.version, 0)
                if update is not None:
                    watched.apply(update)
            await asyncio.to_thread(client.follow, watched)
            read = await asyncio.to_thread(client.read)
            assert watched.mirror() == read
            await asyncio.to_thread(client.close)

    asyncio.run(scenario())

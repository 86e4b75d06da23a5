"""G8: a message that kills whoever handles it ends as a dead letter, and takes no other with it."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from shared.bus.port import Bus
from shared.events.envelope import wrap
from shared.events.topology import DELIVERY_LIMIT, Queue, Topology
from shared.events.vcenter import VcenterHeartbeat
from shared.runtime.publishing import message_of
from tests.contract.bus.conftest import BusAddress, OpenBus
from tests.contract.bus.samples import DEAD, WORK, collect

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MORTAL = Topology(queues=(DEAD, Queue(WORK, ("vcenter.#",))))
COUNT = 150
FATAL = 40

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def publish_beats(bus: Bus) -> None:
    beats = [
        VcenterHeartbeat(
            vcenter=UUID(int=7), epoch=1, sequence=number, name="v", current_to=NOW, lag_seconds=0
        )
        for number in range(1, COUNT + 1)
    ]
    envelopes = [wrap(beat, source="test", time=NOW, id=str(beat.sequence)) for beat in beats]
    await bus.publish([message_of(envelope) for envelope in envelopes])


class Supervisor:
    """Starts a process again whenever it died, as systemd and Kubernetes do."""

    def __init__(self, address: BusAddress) -> None:
        self._command = [
            sys.executable, "-m", "tests.contract.bus.dying", address.kind, address.url, str(FATAL),
        ]  # fmt: skip
        self.handled: set[int] = set()
        self.deaths = 0
        self.complete = asyncio.Event()

    async def keep_running(self) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            try:
                assert process.stdout is not None
                async for line in process.stdout:
                    self.handled.add(int(line))
                    if len(self.handled) == COUNT - 1:
                        self.complete.set()
                await process.wait()
                self.deaths += 1
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


@pytest.mark.parametrize("processes", [1, 3])
async def test_g8_a_fatal_message_takes_no_innocent_with_it(
    open_bus: OpenBus, address: BusAddress, processes: int
) -> None:
    bus = await open_bus()
    await bus.declare(MORTAL)
    await publish_beats(bus)
    supervisor = Supervisor(address)
    running = [asyncio.create_task(supervisor.keep_running()) for _ in range(processes)]
    complete = asyncio.create_task(supervisor.complete.wait())
    await asyncio.wait([complete, *running], return_when=asyncio.FIRST_COMPLETED)
    assert complete.done()
    letters = await collect(bus.dead_letters())
    while not letters:
        await asyncio.sleep(0.1)
        letters = await collect(bus.dead_letters())
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert [int(letter.message.message_id) for letter in letters] == [FATAL]
    assert letters[0].reason == "delivery_limit"
    assert supervisor.handled == set(range(1, COUNT + 1)) - {FATAL}
    assert supervisor.deaths >= DELIVERY_LIMIT

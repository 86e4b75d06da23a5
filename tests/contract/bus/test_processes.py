"""G2: a process that is killed gives its deliveries to others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.bus.port import Bus
from tests.contract.bus.conftest import BusAddress
from tests.contract.bus.samples import WORK, jobs, nothing_comes, numbers, take

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def holder(address: BusAddress, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that holds `count` deliveries of the queue."""
    command = [sys.executable, "-m", "tests.contract.bus.hold", address.kind, address.url, WORK, str(count)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"holding\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_g2_a_killed_process_loses_nothing(bus: Bus, address: BusAddress) -> None:
    await bus.publish(jobs(50))
    async with holder(address, 50) as process, bus.consume(WORK) as consumer:
        assert await nothing_comes(consumer)
        process.kill()
        await process.wait()
        again = await take(consumer, 50)
        assert numbers(again) == list(range(50))
        assert {delivery.attempt for delivery in again} == {2}
        await consumer.ack(again[-1])
        await bus.publish(jobs(1, 50))
        assert numbers(await take(consumer, 1)) == [50]

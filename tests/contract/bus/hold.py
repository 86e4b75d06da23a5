"""A process to kill: takes deliveries, says so, and waits. Arguments: kind, URL, queue, how many."""

from __future__ import annotations

import asyncio
import sys

from tests.contract.bus.conftest import BusAddress
from tests.contract.bus.samples import take


async def hold(kind: str, url: str, queue: str, count: int) -> None:
    """Hold `count` deliveries for ever."""
    bus = await BusAddress("rabbitmq" if kind == "rabbitmq" else "embedded", url).connect("holder")
    async with bus.consume(queue) as consumer:
        await take(consumer, count)
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))

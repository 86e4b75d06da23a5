"""A process that dies of one message. Arguments: kind, URL, the number it dies of.

It consumes as every service does, says what it has handled, and ends without a word at the fatal one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from shared.runtime.consuming import Received, consume
from shared.runtime.logging import configure_logging
from shared.runtime.settings import LogSettings
from tests.contract.bus.conftest import BusAddress
from tests.contract.bus.samples import WORK

BATCH = 30


async def live(kind: str, url: str, fatal: int) -> None:
    """Until the fatal message comes."""

    async def handle(batch: Sequence[Received]) -> None:
        numbers = [int(received.envelope.id) for received in batch]
        if fatal in numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.write("".join(f"{number}\n" for number in numbers))
        sys.stdout.flush()

    configure_logging(LogSettings(level="warning"), service="mortal")  # its log is not for stdout
    bus = await BusAddress("rabbitmq" if kind == "rabbitmq" else "embedded", url).connect("mortal")
    await consume(bus, WORK, handle, stop=asyncio.Event(), batch=BATCH, name="mortal")


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], sys.argv[2], int(sys.argv[3])))

"""How many dead letters wait, for /metrics: the one count that sees the broker's own dead-lettering too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Gauge

from shared.bus.port import Bus
from shared.events.topology import DEAD_LETTER_QUEUE
from shared.runtime.errors import PatchbayError

WAITING = Gauge("patchbay_dead_letters", "Messages in the dead-letter queue; every process tells the same.")
SECONDS = 15.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def dead_letters_counted(bus: Bus) -> AsyncIterator[None]:
    """Count them every few seconds, for as long as the context lasts."""
    counting = asyncio.create_task(_count(bus))
    try:
        yield
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


async def _count(bus: Bus) -> None:
    while True:
        try:
            WAITING.set((await bus.state(DEAD_LETTER_QUEUE)).ready)
        except (PatchbayError, KeyError) as error:
            log.debug("dead_letters_not_counted", reason=str(error))
        await asyncio.sleep(SECONDS)

"""Where adapters meet logic: the tasks of a placement process."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from services.placement.handlers import Handlers
from services.placement.settings import PlacementSettings, Settings
from shared.events.topology import PLACEMENT_FACTS, PLACEMENT_REQUESTS
from shared.runtime.consuming import consume
from shared.runtime.environment import Platform
from shared.runtime.errors import ConflictError, TransientError
from shared.store.relay import relay

log = structlog.get_logger(__name__)

FACTS_BATCH = 500
"""Facts in one transaction: nearly all of them concern no reservation and cost one query together."""


async def run(settings: Settings, platform: Platform, stop: asyncio.Event) -> None:
    """Answer requests, follow VMs, end what is due, until `stop` is set."""
    own = settings.placement
    handlers = Handlers(platform.pool, own)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            consume(
                platform.bus,
                PLACEMENT_REQUESTS,
                handlers.requests,
                stop=stop,
                batch=own.batch,
                linger=timedelta(milliseconds=2),
                name="placement.requests",
                unread=handlers.unread,
            )
        )
        tasks.create_task(
            consume(
                platform.bus,
                PLACEMENT_FACTS,
                handlers.facts,
                stop=stop,
                batch=FACTS_BATCH,
                name="placement.facts",
            )
        )
        tasks.create_task(relay(platform.pool, platform.bus, stop=stop, name="placement"))
        tasks.create_task(expire_when_due(handlers, own, stop))


async def expire_when_due(handlers: Handlers, settings: PlacementSettings, stop: asyncio.Event) -> None:
    """End what is due, every `expiry_interval_seconds`, until `stop` is set."""
    while not stop.is_set():
        try:
            ended = await handlers.expire()
            if ended:
                log.info("reservations.ended", number=ended)
        except (TransientError, ConflictError) as error:
            log.warning("reservations.expiry_postponed", detail=str(error))
        try:
            await asyncio.wait_for(stop.wait(), settings.expiry_interval_seconds)
        except TimeoutError:
            continue

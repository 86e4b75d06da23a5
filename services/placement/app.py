"""Where adapters meet logic: the tasks of a placement process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from services.placement.handlers import Handlers
from services.placement.settings import Settings
from shared.events.topology import PLACEMENT_FACTS, PLACEMENT_REQUESTS
from shared.runtime.consuming import consume
from shared.runtime.environment import Platform
from shared.runtime.errors import ConflictError, TransientError
from shared.store.relay import relay

log = structlog.get_logger(__name__)

FACTS_BATCH = 500
"""Facts in one transaction: nearly all of them concern no reservation and cost one query together."""


async def run(settings: Settings, platform: Platform, stop: asyncio.Event) -> None:
    """Answer requests, follow VMs, end what is due, verify what became of it, until `stop` is set."""
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
        for name, work, seconds in (
            ("expiry", handlers.expire, own.expiry_interval_seconds),
            ("verification", handlers.verify, own.verify_interval_seconds),
            ("policy", handlers.renew_policy, own.policy_interval_seconds),
            ("sampling", handlers.sample, own.sample_interval_seconds / 4),
        ):
            tasks.create_task(repeat(name, work, seconds, stop))


async def repeat(name: str, work: Callable[[], Awaitable[int]], seconds: float, stop: asyncio.Event) -> None:
    """Do `work` every so many seconds, until `stop` is set; what cannot be done now is done later."""
    while not stop.is_set():
        try:
            number = await work()
            if number:
                log.info(f"{name}.done", number=number)
        except (TransientError, ConflictError) as error:
            log.warning(f"{name}.postponed", detail=str(error))
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue

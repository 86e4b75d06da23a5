"""The allocator put together: its two queues, its handlers, the relay of its events."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from datetime import UTC, datetime, timedelta

import structlog

from services.allocator.handlers import Allocator
from services.allocator.pruning import forget_sightings, forget_tenures, prune
from services.allocator.settings import AllocatorSettings, Settings
from services.allocator.tidying import tidy
from services.allocator.wire_names import prune_names
from shared.audit.recording import prune as forget_commands
from shared.events.topology import ALLOCATOR_COMMANDS, ALLOCATOR_FACTS
from shared.runtime.consuming import consume
from shared.runtime.environment import Platform
from shared.runtime.errors import TransientError
from shared.store.pool import Pool
from shared.store.relay import relay

NAME = "allocator"
PRUNE_SECONDS = 3600

log = structlog.get_logger(__name__)


async def run(settings: Settings, platform: Platform, stop: asyncio.Event) -> None:
    """Consume facts and commands until `stop`."""
    collect_seldom()
    options = settings.allocator
    allocator = Allocator(platform.pool, options)
    linger = timedelta(milliseconds=options.linger_ms)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_prune(platform.pool, options, stop))
        tasks.create_task(tidy(platform.pool, allocator.policy, stop))
        tasks.create_task(relay(platform.pool, platform.bus, stop=stop, name=NAME))
        tasks.create_task(
            consume(
                platform.bus,
                ALLOCATOR_FACTS,
                allocator.facts,
                stop=stop,
                batch=options.batch,
                linger=linger,
                name=NAME,
            )
        )
        tasks.create_task(
            consume(
                platform.bus,
                ALLOCATOR_COMMANDS,
                allocator.commands,
                stop=stop,
                batch=10,
                linger=timedelta(0),
                name=NAME,
            )
        )


def collect_seldom() -> None:
    """Look for garbage in cycles less often, and not in what was loaded at the start.

    A batch makes many objects and hardly a cycle; looking for some as often as usual is a sixth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _prune(pool: Pool, options: AllocatorSettings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        now = datetime.now(UTC)
        folded = timedelta(days=options.history_days)
        kept = max(folded, timedelta(days=options.sighting_days))
        try:
            pause = timedelta(seconds=options.change_settle_seconds)
            vms = await prune(pool, now - folded, pause, timedelta(seconds=options.release_grace_seconds))
            sightings = await forget_sightings(pool, now - kept)
            tenures = await forget_tenures(pool, now - timedelta(days=options.tenure_days))
            names = await prune_names(pool, now - folded)
            commands = await forget_commands(pool, now - timedelta(days=options.audit_days))
            log.debug(
                "history_pruned",
                vms=vms,
                sightings=sightings,
                tenures=tenures,
                names=names,
                commands=commands,
            )
        except TransientError as error:
            log.warning("history_not_pruned", reason=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PRUNE_SECONDS)

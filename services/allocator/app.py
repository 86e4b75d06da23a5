"""The allocator put together: its two queues, its handlers, the relay of its events."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.allocator.handlers import Allocator
from services.allocator.settings import Settings
from shared.events.topology import ALLOCATOR_COMMANDS, ALLOCATOR_FACTS
from shared.runtime.consuming import consume
from shared.runtime.environment import Platform
from shared.store.relay import relay

NAME = "allocator"


async def run(settings: Settings, platform: Platform, stop: asyncio.Event) -> None:
    """Consume facts and commands until `stop`."""
    options = settings.allocator
    allocator = Allocator(platform.pool, options)
    linger = timedelta(milliseconds=options.linger_ms)
    async with asyncio.TaskGroup() as tasks:
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

"""The one place where the collector's parts meet: registry, watchers, bus, commands."""

from __future__ import annotations

import asyncio

from services.collector.fleet import Fleet
from services.collector.handlers import Commands
from services.collector.settings import Settings
from shared.events.topology import COLLECTOR_COMMANDS
from shared.runtime.consuming import consume
from shared.runtime.environment import Platform


async def run(settings: Settings, platform: Platform, stop: asyncio.Event) -> None:
    """Watch every registered vCenter and take commands until `stop` is set."""
    fleet = Fleet(
        pool=platform.pool,
        bus=platform.bus,
        database_url=platform.database_url,
        settings=settings.collector,
    )
    commands = Commands(platform.pool, platform.bus)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.run(stop))
        tasks.create_task(
            consume(platform.bus, COLLECTOR_COMMANDS, commands.handle, stop=stop, name="collector")
        )

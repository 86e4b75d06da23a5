"""Services together in one process, over one database and one bus. The only place that imports them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from services.allocator.app import run as run_allocator
from services.cli.settings import Settings
from services.collector.app import run as run_collector
from services.placement.app import run as run_placement
from services.simulator.app import run as run_simulator
from shared.runtime.environment import Platform, open_platform

Service = Callable[[Settings, Platform, asyncio.Event], Coroutine[Any, Any, None]]
SERVICES: dict[str, Service] = {
    "collector": run_collector,
    "allocator": run_allocator,
    "placement": run_placement,
}
SIMULATOR = "simulator"


async def serve(settings: Settings, wanted: list[str], stop: asyncio.Event) -> None:
    """Run the services called `wanted` until `stop` is set; the simulator needs no database."""
    async with asyncio.TaskGroup() as tasks:
        if SIMULATOR in wanted:
            tasks.create_task(run_simulator(settings.simulator, stop))
        if on_platform := [name for name in wanted if name != SIMULATOR]:
            tasks.create_task(_serve_on_platform(settings, on_platform, stop))


async def _serve_on_platform(settings: Settings, wanted: list[str], stop: asyncio.Event) -> None:
    # Servers and logs tell processes apart by this name.
    name = wanted[0] if len(wanted) == 1 else "patchbay"
    async with open_platform(settings, name=name) as platform, asyncio.TaskGroup() as tasks:
        for service in wanted:
            tasks.create_task(SERVICES[service](settings, platform, stop))

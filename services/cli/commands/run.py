"""`patchbay run`: services in one process, over one database and one bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from services.allocator.app import run as run_allocator
from services.cli.instance import ended_well
from services.cli.names import nearest
from services.cli.settings import Settings, load
from services.collector.app import run as run_collector
from services.placement.app import run as run_placement
from services.simulator.app import run as run_simulator
from shared.runtime.environment import Platform, open_platform
from shared.runtime.logging import configure_logging
from shared.runtime.running import run_until_stopped

Service = Callable[[Settings, Platform, asyncio.Event], Coroutine[Any, Any, None]]
SERVICES: dict[str, Service] = {
    "collector": run_collector,
    "allocator": run_allocator,
    "placement": run_placement,
}
SIMULATOR = "simulator"
ALL = "all"


def run(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[collector|allocator|placement|simulator|all]...", show_default=False),
    ] = None,
) -> None:
    """Run services until Ctrl-C; all of them when none is named. The simulator only runs when it is named."""
    wanted = _checked(services or [ALL])
    with ended_well():
        settings = load()
    configure_logging(settings.log, service="patchbay")
    run_until_stopped(lambda stop: _serve(settings, wanted, stop))


def _checked(named: list[str]) -> list[str]:
    known = (*SERVICES, SIMULATOR, ALL)
    for name in named:
        if name not in known:
            close = nearest(name, known, limit=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise typer.BadParameter(f"no service {name!r}{meant} There are {', '.join(known)}.")
    wanted = [*SERVICES] if ALL in named else []
    return list(dict.fromkeys([*wanted, *(name for name in named if name != ALL)]))


async def _serve(settings: Settings, wanted: list[str], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        if SIMULATOR in wanted:
            tasks.create_task(run_simulator(settings.simulator, stop))
        if on_platform := [name for name in wanted if name != SIMULATOR]:
            tasks.create_task(_serve_on_platform(settings, on_platform, stop))


async def _serve_on_platform(settings: Settings, wanted: list[str], stop: asyncio.Event) -> None:
    async with open_platform(settings, name="patchbay") as platform, asyncio.TaskGroup() as tasks:
        for name in wanted:
            tasks.create_task(SERVICES[name](settings, platform, stop))

"""What every service's `__main__` does: settings, logging, platform, run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from shared.runtime.environment import Platform, open_platform
from shared.runtime.logging import configure_logging
from shared.runtime.running import explain, run_until_stopped
from shared.runtime.settings import CoreSettings, LogSettings, SettingsError, load_settings

Settings = TypeVar("Settings", bound=CoreSettings)
Run = Callable[[Settings, Platform, asyncio.Event], Awaitable[None]]

log = structlog.get_logger(__name__)


def run_service(kind: type[Settings], run: Run[Settings], *, name: str) -> None:
    """Run the service `name` with settings of `kind` until told to stop; then exit as `run_until_stopped`."""
    try:
        settings = load_settings(kind)
    except SettingsError as error:
        configure_logging(LogSettings(), service=name)
        sys.exit(explain(error))
    configure_logging(settings.log, service=name)

    async def serve(stop: asyncio.Event) -> None:
        async with platform_until_stopped(settings, stop, name=name) as platform:
            if platform is not None:
                log.info("started", http_port=platform.http_port)
                await run(settings, platform, stop)

    run_until_stopped(serve)


@asynccontextmanager
async def platform_until_stopped(
    settings: CoreSettings, stop: asyncio.Event, *, name: str
) -> AsyncIterator[Platform | None]:
    """A platform that stops to wait for servers when `stop` is set: then there is none.

    Once there is one, `stop` makes it unready at once: nobody should send work while the rest is finished.
    """
    opening = open_platform(settings, name=name)
    started = asyncio.create_task(opening.__aenter__())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([started, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not started.done():
            started.cancel()
            await asyncio.wait([started])
    if started.cancelled():
        yield None
        return
    try:
        platform = started.result()
        stopped.add_done_callback(lambda _: platform.health.unready("stopping"))
        try:
            yield platform
        finally:
            await opening.__aexit__(*sys.exc_info())
    finally:
        stopped.cancel()

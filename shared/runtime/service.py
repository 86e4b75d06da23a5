"""What every service's `__main__` does: settings, logging, platform, run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
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
    """Run the service `name` with settings of `kind` until told to stop. Exit codes as `run_until_stopped`."""
    try:
        settings = load_settings(kind)
    except SettingsError as error:
        configure_logging(LogSettings(), service=name)
        sys.exit(explain(error))
    configure_logging(settings.log, service=name)

    async def serve(stop: asyncio.Event) -> None:
        async with open_platform(settings, name=name) as platform:
            log.info("started", http_port=platform.http_port)
            parting = asyncio.create_task(_say_goodbye(platform, stop))
            try:
                await run(settings, platform, stop)
            finally:
                parting.cancel()

    run_until_stopped(serve)


async def _say_goodbye(platform: Platform, stop: asyncio.Event) -> None:
    """Nobody should send work our way while we finish what we have."""
    await stop.wait()
    platform.health.unready("stopping")

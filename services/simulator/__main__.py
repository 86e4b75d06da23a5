"""`python -m services.simulator`: one simulated vCenter, settings from PATCHBAY_SIMULATOR__*."""

from __future__ import annotations

import asyncio
import signal

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.simulator.app import run
from services.simulator.settings import SimulatorSettings


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PATCHBAY_", env_nested_delimiter="__", extra="ignore")

    simulator: SimulatorSettings = SimulatorSettings()


async def _main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(_Environment().simulator, stop)


if __name__ == "__main__":
    asyncio.run(_main())

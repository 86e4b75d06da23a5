"""`python -m services.placement`: settings, then run."""

from __future__ import annotations

import asyncio

from services.placement.app import run
from services.placement.settings import Settings
from shared.runtime.environment import open_platform
from shared.runtime.running import run_until_stopped
from shared.runtime.settings import load_settings


def main() -> None:
    """Run placement until it is told to stop."""
    settings = load_settings(Settings)

    async def serve(stop: asyncio.Event) -> None:
        async with open_platform(settings, name="placement") as platform:
            await run(settings, platform, stop)

    run_until_stopped(serve)


if __name__ == "__main__":
    main()

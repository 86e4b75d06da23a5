"""How long to wait before trying again."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 10.0


def pause(attempt: int, chance: float) -> float:
    """Seconds before attempt number `attempt` (from 1) is repeated.

    Doubles with each attempt up to ten seconds; `chance`, from 0 to 1, takes off up to half of it, so that
    many who fail together don't come back together.
    """
    doubled: float = FIRST_SECONDS * 2.0 ** min(attempt - 1, 20)
    return min(LONGEST_SECONDS, doubled) * (1 - chance / 2)


class Backoff:
    """Growing pauses between failures; a success starts over."""

    def __init__(self) -> None:
        self.failures = 0

    def succeeded(self) -> None:
        """Start over."""
        self.failures = 0

    async def wait(self, stop: asyncio.Event) -> bool:
        """Pause after one more failure, but no longer than until `stop`. Whether to try again."""
        self.failures += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(pause(self.failures, random.random())):  # noqa: S311  not a secret
                await stop.wait()
        return not stop.is_set()

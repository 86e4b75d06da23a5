"""What one vCenter's watcher is to do, as the registry says right now."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from services.collector.registry import Vcenter


class Orders:
    """The registered vCenter as last read, and a way to wait for news of it."""

    def __init__(self, vcenter: Vcenter) -> None:
        self.vcenter = vcenter
        self.ended = False
        """The watcher is to leave: the process stops, or the vCenter is not registered any more."""
        self._under = vcenter.connection
        self._changed = asyncio.Event()

    def update(self, vcenter: Vcenter) -> None:
        """Take a fresh reading in."""
        if vcenter != self.vcenter:
            self.vcenter = vcenter
            self._changed.set()

    def end(self) -> None:
        """Make the watcher leave."""
        self.ended = True
        self._changed.set()

    def begin(self) -> Vcenter:
        """A session begins, under what is registered now; an earlier wish for a resync is answered by it."""
        self.vcenter = replace(self.vcenter, resync_requested=False)
        self._under = self.vcenter.connection
        return self.vcenter

    @property
    def interrupt(self) -> str | None:
        """Why the current session is to end, if it is."""
        if self.ended:
            return "the collector stops watching it"
        if self.vcenter.paused:
            return "paused by an operator"
        if self.vcenter.connection != self._under:
            return "its registration changed"
        return "a full read was asked for" if self.vcenter.resync_requested else None

    async def interrupted(self) -> None:
        """Wait until the current session is to end."""
        while self.interrupt is None:
            await self.news()

    async def news(self) -> None:
        """Wait until anything was ordered."""
        await self._changed.wait()
        self._changed.clear()

    async def news_within(self, seconds: float) -> bool:
        """Wait as `news` does, but no longer than `seconds`; whether there was any."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news()
                return True
        return False

"""Why publishing waits: the broker's alarms, full queues, a lost connection. Who wants to know is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from prometheus_client import Gauge

log = structlog.get_logger(__name__)
Told = Callable[[str | None], None]
"""Gets the reason why publishing waits, and None when it does no longer."""

WAITING = Gauge("patchbay_bus_publishing_waits", "1 while the bus takes nothing from this process", ["why"])

BLOCKED, FULL, AWAY = "blocked", "queue_full", "away"
"""The broker stopped us (memory, disk); a queue is full; there is no connection."""


class Obstacles:
    """What is in the way of one process's publishing, by kind."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._told: list[Told] = []
        self._changed = asyncio.Event()

    @property
    def reason(self) -> str | None:
        """The oldest reason why publishing waits."""
        return next(iter(self._reasons.values()), None)

    def __contains__(self, kind: str) -> bool:
        return kind in self._reasons

    def seconds(self, kind: str) -> float:
        """For how long this kind has been in the way; 0 when it is not."""
        since = self._since.get(kind)
        return 0.0 if since is None else time.monotonic() - since

    def watch(self, told: Told) -> None:
        """Call `told` now if something is in the way, and whenever that changes."""
        self._told.append(told)
        if self._reasons:
            told(self.reason)

    def arise(self, kind: str, reason: str) -> None:
        """Something is in the way."""
        if self._reasons.get(kind) == reason:
            return
        if kind not in self._reasons:
            self._since[kind] = time.monotonic()
            log.warning("publishing_waits", reason=reason)
        self._reasons[kind] = reason
        WAITING.labels(kind).set(1)
        self._tell()

    def clear(self, kind: str) -> None:
        """It is no longer."""
        if self._reasons.pop(kind, None) is None:
            return
        log.info("publishing_goes_on", seconds=round(self.seconds(kind), 1))
        del self._since[kind]
        WAITING.labels(kind).set(0)
        self._tell()

    async def arrived(self, kind: str) -> None:
        """Return when something of this kind is in the way."""
        while kind not in self._reasons:
            self._changed.clear()
            await self._changed.wait()

    async def gone(self, kind: str) -> None:
        """Return when nothing of this kind is in the way."""
        while kind in self._reasons:
            self._changed.clear()
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        for told in self._told:
            told(self.reason)

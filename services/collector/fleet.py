"""All registered vCenters of this process: a watcher each, none of which can disturb another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import structlog

from services.collector import registry
from services.collector.orders import Orders
from services.collector.registry import Vcenter
from services.collector.settings import CollectorSettings
from services.collector.watcher import Watcher
from shared.bus.port import Bus
from shared.runtime.errors import TransientError
from shared.store.connection import connect, translate_errors
from shared.store.pool import Pool

log = structlog.get_logger(__name__)


@dataclass
class _Watch:
    orders: Orders
    task: asyncio.Task[None]
    failed_at: float | None = None

    def over(self, penalty_seconds: float) -> bool:
        """Whether it ended and is to begin again. By itself it ends only by a defect, so not at once."""
        if not self.task.done():
            return False
        if self.failed_at is None:
            self.failed_at = monotonic()
            error = None if self.task.cancelled() else self.task.exception()
            log.error("watcher failed", vcenter=self.orders.vcenter.name, exc_info=error)
        return monotonic() - self.failed_at >= penalty_seconds


class Fleet:
    """Keeps one watcher per registered vCenter, following the registry."""

    def __init__(self, *, pool: Pool, bus: Bus, database_url: str, settings: CollectorSettings) -> None:
        self._pool = pool
        self._bus = bus
        self._database_url = database_url
        self._settings = settings
        self._watches: dict[UUID, _Watch] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the registry until stopped; returns when every watcher has left."""
        stopping = asyncio.create_task(stop.wait())
        try:
            async with self._news() as news:
                while not stop.is_set():
                    news.clear()
                    await self._follow()
                    await self._pause(stopping, news)
        finally:
            stopping.cancel()
            await self._leave(list(self._watches))

    async def _pause(self, stopping: asyncio.Task[bool], news: asyncio.Event) -> None:
        hearing = asyncio.create_task(news.wait())
        try:
            await asyncio.wait(
                (stopping, hearing),
                timeout=self._settings.registry_poll_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            hearing.cancel()

    async def _follow(self) -> None:
        try:
            registered = {vcenter.id: vcenter for vcenter in await registry.all_vcenters(self._pool)}
        except TransientError as error:
            log.warning("registry out of reach", error=str(error))
            return
        await self._leave([key for key in self._watches if key not in registered])
        for key, vcenter in registered.items():
            watch = self._watches.get(key)
            if watch is None or watch.over(self._settings.backoff_max_seconds):
                self._watches[key] = self._begin(vcenter)
            else:
                watch.orders.update(vcenter)

    def _begin(self, vcenter: Vcenter) -> _Watch:
        orders = Orders(vcenter)
        watcher = Watcher(
            orders,
            pool=self._pool,
            bus=self._bus,
            database_url=self._database_url,
            settings=self._settings,
        )
        return _Watch(orders, asyncio.create_task(watcher.run(), name=f"watch {vcenter.name}"))

    async def _leave(self, keys: list[UUID]) -> None:
        leaving = [self._watches.pop(key) for key in keys]
        for watch in leaving:
            watch.orders.end()
        await asyncio.gather(*(watch.task for watch in leaving), return_exceptions=True)

    @asynccontextmanager
    async def _news(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set when the registry changes. Without it, the next look finds out."""
        news = asyncio.Event()
        listening = asyncio.create_task(self._listen(news))
        try:
            yield news
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, news: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TransientError):
                connection = await connect(self._database_url, name="patchbay-collector-news")
                gone = asyncio.Event()
                connection.add_termination_listener(lambda _, gone=gone: gone.set())
                try:
                    async with translate_errors():
                        await connection.add_listener(registry.CHANNEL, lambda *_: news.set())
                    await gone.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(self._settings.registry_poll_seconds)

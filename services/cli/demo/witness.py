"""Somebody on the bus who hears everything, from before the first event on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from services.cli.demo.latency import LatencyBook
from services.cli.demo.steps import NotSeen
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.codec import Unreadable, decode
from shared.events.envelope import Envelope

E = TypeVar("E", bound=Event)
Listener = Callable[[Envelope[Event]], None]

KEPT = 20_000
"""Events kept for looking back; a demo that runs for days must not grow."""


@dataclass
class Witness:
    """Keeps what it hears, in order of arrival, and lets others wait for more."""

    latency: LatencyBook = field(default_factory=LatencyBook)
    heard: list[Envelope[Event]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    listeners: list[Listener] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, bus: Bus, ready: asyncio.Event) -> None:
        """Hear everything until cancelled; `ready` is set once nothing can be missed any more."""
        async with bus.subscribe(["#"]) as consumer:
            ready.set()
            while True:
                deliveries = await consumer.batch(500)
                at = time.monotonic()
                for delivery in deliveries:
                    self._take(delivery.message.body, at)
                await consumer.ack(deliveries[-1])
                async with self._news:
                    self._news.notify_all()

    def _take(self, body: bytes, at: float) -> None:
        try:
            envelope = decode(body)
        except Unreadable:
            self.unreadable += 1
            return
        self.latency.arrived(envelope.data, at)
        self.counts[envelope.type] += 1
        self.heard.append(envelope)
        if len(self.heard) > KEPT:
            del self.heard[: KEPT // 4]
        for listener in self.listeners:
            listener(envelope)

    def all(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> list[E]:
        """Every event of `kind` that fits, in order of arrival."""
        return list(self._matching(kind, fits))

    async def see(
        self,
        kind: type[E],
        fits: Callable[[E], bool] = lambda _: True,
        *,
        within: float = 10.0,
        what: str = "",
    ) -> E:
        """The first event of `kind` that fits, heard already or within `within` seconds.

        Raises `NotSeen`, with what else of that kind was heard.
        """
        try:
            await self.until(lambda: next(self._matching(kind, fits), None) is not None, within=within)
        except TimeoutError:
            others = self.counts[kind.TYPE]
            raise NotSeen(
                f"no {kind.TYPE} {what or 'as expected'} within {within:.0f} s; {others} others of that type"
            ) from None
        return next(self._matching(kind, fits))

    async def until(self, holds: Callable[[], bool], *, within: float) -> None:
        """Wait until `holds`, looked at after each batch of events. Raises TimeoutError."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(holds)

    def _matching(self, kind: type[E], fits: Callable[[E], bool]) -> Iterator[E]:
        return (e.data for e in self.heard if isinstance(e.data, kind) and fits(e.data))

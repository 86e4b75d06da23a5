"""Reads what was published, from the log, as anybody could."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from shared.bus.port import Bus, LogStart
from shared.events.base import Event, Fact
from shared.events.codec import decode
from shared.events.envelope import Envelope
from shared.model.ordering import Order

E = TypeVar("E", bound=Event)
PATIENCE = 30.0
"""Seconds after which what did not happen will not; no test is faster or slower by it."""


class Observer:
    """The events on a bus, from the first one on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._offset: int | None = None
        self.envelopes: list[Envelope[Event]] = []

    async def read(self) -> list[Envelope[Event]]:
        """All events so far."""
        start: LogStart = "first" if self._offset is None else self._offset + 1
        async for entry in self._bus.read_log(start):
            self._offset = entry.offset
            self.envelopes.append(decode(entry.message.body))
        return self.envelopes

    def of(self, kind: type[E], since: int = 0) -> list[E]:
        """The events of a type read so far, from the `since`-th of all events on."""
        return [envelope.data for envelope in self.envelopes[since:] if isinstance(envelope.data, kind)]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Read on until `condition` holds. Fails after a while, naming `what` was waited for."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.read() is not None and not condition():  # noqa: ASYNC110  a log is polled
                    await asyncio.sleep(0.05)
        except TimeoutError:
            seen = [f"{envelope.type} {envelope.subject}" for envelope in self.envelopes[-15:]]
            raise AssertionError(f"never saw {what}; last events: {seen}") from None

    async def first(self, kind: type[E], since: int = 0, where: Callable[[E], bool] = lambda _: True) -> E:
        """The first event of a type that fits, waiting for it."""

        def found() -> list[E]:
            return [event for event in self.of(kind, since) if where(event)]

        await self.until(lambda: bool(found()), kind.TYPE)
        return found()[0]

    @property
    def seen(self) -> int:
        """How many events were read: a point to look on from."""
        return len(self.envelopes)

    def newest(self, kind: type[E]) -> dict[str, E]:
        """What a consumer holds: by subject, the fact of a type with the greatest order."""
        held: dict[str, E] = {}
        orders: dict[str, Order] = {}
        for event in self.of(kind):
            assert isinstance(event, Fact)
            subject = f"{event.vcenter}/{event.subject_of()}"
            if event.order > orders.get(subject, Order(0, 0)):
                held[subject], orders[subject] = event, event.order
        return held

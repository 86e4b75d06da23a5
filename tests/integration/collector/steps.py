"""Named moments of a collector's work, and a way to have something happen at the n-th of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.collector import registry
from services.collector.known import KnownObjects
from services.collector.sweeping import Sweeper
from services.collector.vsphere.session import Session
from shared.bus.embedded import EmbeddedBus
from shared.bus.rabbitmq import RabbitBus

When = Literal["before", "during", "after"]
Happening = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A moment: before, during or after a call of the `name` of each of `owners`; the `nth` since armed.

    `given`: calls that are given an empty collection do not count.
    """

    owners: Sequence[Any]
    name: str
    when: When
    nth: int = 1
    given: bool = False


_BUSES = (EmbeddedBus, RabbitBus)
IN_A_SNAPSHOT = {
    "logged in, no epoch yet": Step((registry,), "begin_epoch", "before"),
    "epoch begun": Step((registry,), "begin_epoch", "after"),
    "first facts on their way": Step(_BUSES, "publish", "during"),
    "page read": Step((Session,), "next_page", "after", 2),
    "page remembered": Step((KnownObjects,), "remember", "after", 2),
    "page being published": Step(_BUSES, "publish", "during", 4),
    "page confirmed": Step(_BUSES, "publish", "after", 4),
    "next page to be asked for": Step((Session,), "next_page", "before", 3),
    "snapshot read": Step((Sweeper,), "sweep", "before"),
    "snapshot compared": Step((KnownObjects,), "unseen", "after"),
    "removals published, still known": Step((KnownObjects,), "forget", "before", given=True),
    "sweep done": Step((Sweeper,), "sweep", "after"),
}
IN_THE_STREAM = {
    "change read": Step((Session,), "next_page", "after"),
    "change remembered": Step((KnownObjects,), "remember", "after"),
    "change being published": Step(_BUSES, "publish", "during"),
    "change confirmed": Step(_BUSES, "publish", "after"),
    "removal published, still known": Step((KnownObjects,), "forget", "before", given=True),
    "next changes to be asked for": Step((Session,), "next_page", "before", 2),
}


def interrupt(
    step: Step, happening: Happening, armed: Callable[[], bool] = lambda: True
) -> Callable[[], None]:
    """Let `happening` take place once, at `step`, counted while `armed`. Returns what undoes the wiring."""
    counter = _Counter(step.nth, armed)
    undo = []
    for owner in step.owners:
        original = getattr(owner, step.name)
        setattr(owner, step.name, _wrapped(original, step, happening, counter))
        undo.append((owner, original))

    def restore() -> None:
        for owner, original in undo:
            setattr(owner, step.name, original)

    return restore


class _Counter:
    def __init__(self, nth: int, armed: Callable[[], bool]) -> None:
        self._left = nth
        self._armed = armed

    def due(self) -> bool:
        if self._left == 0 or not self._armed():
            return False
        self._left -= 1
        return self._left == 0


def _wrapped(original: Any, step: Step, happening: Happening, counter: _Counter) -> Any:
    when = step.when

    async def call(*args: Any, **options: Any) -> Any:
        if step.given:
            args = (args[0], list(args[1]))
        due = (not step.given or bool(args[1])) and counter.due()
        if due and when == "before":
            await happening()
        if due and when == "during":
            doing = asyncio.ensure_future(original(*args, **options))
            await asyncio.sleep(0.001)
            await happening()
            return await doing
        result = await original(*args, **options)
        if due and when == "after":
            await happening()
        return result

    return call

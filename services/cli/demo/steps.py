"""The steps of the demo's story, each with what was expected and what was found."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.cli.outcome import Ended
from shared.runtime.errors import PatchbayError

CUT_SHORT = "cut short"


class NotSeen(PatchbayError):
    """Something that should have happened did not; the message says what was found instead."""


@dataclass
class Step:
    """One step: `found` is what bus and database showed."""

    name: str
    expected: str
    found: str = ""
    ok: bool = False
    seconds: float = 0.0

    def saw(self, found: str) -> None:
        """State what was found; the last statement counts."""
        self.found = found


@dataclass
class Report:
    """All steps so far; `on_change` hears of each that begins and ends."""

    on_change: Callable[[Step], None] = lambda _: None
    steps: list[Step] = field(default_factory=list)
    told: bool = False
    """The story has come to its end."""

    @property
    def failed(self) -> list[Step]:
        """Steps that did not happen; not those that were cut short from outside."""
        return [step for step in self.steps if not step.ok and step.found != CUT_SHORT]

    @property
    def ok(self) -> bool:
        """Did every step happen?"""
        return self.told and all(step.ok for step in self.steps)

    @asynccontextmanager
    async def step(self, name: str, *, expected: str) -> AsyncIterator[Step]:
        """Take a step. That it did not happen is recorded, and the story goes on."""
        step = Step(name, expected)
        self.steps.append(step)
        self.on_change(step)
        began = time.monotonic()
        try:
            yield step
            step.ok = True
        except (PatchbayError, Ended) as error:
            step.found = str(error)
        finally:
            if not step.ok and not step.found:
                step.found = CUT_SHORT
            step.seconds = round(time.monotonic() - began, 3)
            self.on_change(step)

"""What the story is told on: the platform, the vCenter, the witness, and the report of the steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from services.cli.asking import ask, order
from services.cli.demo.picture import PlacementLine
from services.cli.demo.steps import NotSeen, Report
from services.cli.demo.witness import Witness
from services.simulator.app import RunningSimulator
from services.simulator.world.world import World
from shared.bus.port import Bus
from shared.events.base import Event
from shared.runtime.environment import Platform

Found = TypeVar("Found")
VCENTER = "demo"


@dataclass
class Stage:
    """Everything the steps act on. `pause` is how long a spectator is given between two of them."""

    platform: Platform
    simulator: RunningSimulator
    witness: Witness
    report: Report
    pause: float = 0.0
    placements: list[PlacementLine] = field(default_factory=list)

    @property
    def bus(self) -> Bus:
        """The platform's bus, which the story uses as any outsider would."""
        return self.platform.bus

    @property
    def world(self) -> World:
        """The simulated vCenter's world: the truth that the platform has to find out."""
        return self.simulator.world

    async def order(self, command: Event) -> None:
        """Give a command over the bus. Raises `Refused` with the complaint."""
        await order(self.bus, command, patience=timedelta(seconds=10))

    async def ask(self, request: Event) -> Event:
        """Publish a request with `reply_to`; the answer."""
        return (await ask(self.bus, request, patience=timedelta(seconds=10))).data

    async def breathe(self) -> None:
        """Give the spectator time to look."""
        await asyncio.sleep(self.pause)


async def eventually(
    read: Callable[[], Awaitable[Found]],
    fits: Callable[[Found], bool],
    *,
    within: float = 10.0,
    describe: Callable[[Found], str] = str,
) -> Found:
    """Read until it fits. Raises `NotSeen` with the last reading."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        found = await read()
        if fits(found):
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise NotSeen(f"after {within:.0f} s still {describe(found)}")
        await asyncio.sleep(0.1)


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)

"""The whole story in its order, and what goes on after it when somebody watches."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from services.cli.demo.life import tell_life
from services.cli.demo.measuring import measure
from services.cli.demo.opening import open_story
from services.cli.demo.provisioning import provision, tell_provisioning
from services.cli.demo.reading import Reading
from services.cli.demo.stage import Stage
from services.cli.demo.steps import NotSeen, Report
from services.simulator.churn import Churn

CHURN = {
    "address": 1.0,
    "move": 0.3,
    "create": 0.1,
    "remove": 0.1,
    "docker": 0.5,
    "power": 0.1,
    "rename": 0.05,
}
"""Changes per second of each kind, once the story is told."""


async def tell(stage: Stage, reading: Reading) -> None:
    """Every step once."""
    await open_story(stage, reading)
    await tell_life(stage, reading)
    await tell_provisioning(stage, reading, 3)
    await measure(stage)
    await _nothing_was_dropped(stage)
    stage.report.told = True


async def go_on(stage: Stage, reading: Reading) -> None:
    """Random changes, and a new VM now and then, until cancelled; no step of this is part of the story."""
    stage = replace(stage, report=Report(on_change=stage.report.on_change))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Churn(stage.world, CHURN, seed=1).run())
        for number in itertools.count(4):
            await asyncio.sleep(10)
            await provision(stage, reading, f"shop-{number}")


async def _nothing_was_dropped(stage: Stage) -> None:
    expected = "no dead letter, nothing unreadable on the bus"
    async with stage.report.step("leaves no message behind", expected=expected) as step:
        letters = [letter async for letter in stage.bus.dead_letters()]
        if letters:
            first = letters[0]
            which = f"{first.message.type} from {first.queue}, {first.reason}"
            raise NotSeen(f"{len(letters)} dead letters; the first: {which}")
        if stage.witness.unreadable:
            raise NotSeen(f"{stage.witness.unreadable} messages could not be read")
        step.saw(f"{stage.witness.counts.total()} events heard, none dropped")

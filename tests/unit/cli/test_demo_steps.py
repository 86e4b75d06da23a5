"""The demo's report is honest: a step counts only when it ended well, the story only when it was told."""

from __future__ import annotations

import asyncio

import pytest

from services.cli.demo.steps import NotSeen, Report, Step
from services.cli.outcome import Refused


async def test_a_step_that_happened() -> None:
    seen: list[tuple[str, bool]] = []
    report = Report(on_change=lambda step: seen.append((step.name, step.ok)))
    async with report.step("one", expected="x") as step:
        step.saw("x indeed")
    report.told = True
    assert report.ok
    assert report.steps[0].found == "x indeed"
    assert seen == [("one", False), ("one", True)]


@pytest.mark.parametrize("error", [NotSeen("nothing was there"), Refused("overlaps")])
async def test_a_step_that_did_not_happen_lets_the_story_go_on(error: Exception) -> None:
    report = Report()
    async with report.step("one", expected="x") as step:
        step.saw("half of it")
        raise error
    report.told = True
    assert not report.ok
    assert report.steps[0].found == str(error)


async def test_a_step_that_is_cut_short_has_not_happened() -> None:
    report = Report()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0), report.step("one", expected="x"):
            await asyncio.sleep(60)
    assert [(step.ok, step.found) for step in report.steps] == [(False, "cut short")]


async def test_a_defect_is_not_swallowed() -> None:
    report = Report()
    with pytest.raises(ZeroDivisionError):
        async with report.step("one", expected="x"):
            raise ZeroDivisionError
    assert not report.steps[0].ok


def test_a_story_that_was_not_told_to_its_end_is_not_ok() -> None:
    report = Report(steps=[Step("one", "x", ok=True)])
    assert not report.ok
    report.told = True
    assert report.ok

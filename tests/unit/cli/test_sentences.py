"""Every event type of the contract has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.rendering.sentences import sentence
from shared.events.codec import decode
from shared.events.commands import Command

GOLDEN = sorted((Path(__file__).parents[2] / "contract" / "events" / "golden").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_event_is_told_in_one_line(path: Path) -> None:
    event = decode(path.read_bytes()).data
    line = sentence(event)
    assert line
    assert "\n" not in line
    # A command's subject says enough; for everything else somebody chose the words.
    assert isinstance(event, Command) or line != event.subject_of()

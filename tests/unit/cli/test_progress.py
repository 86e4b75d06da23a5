"""Bars of VMs that are being created, drawn on a terminal of 80 columns."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from services.cli.rendering import progress
from shared.events.placement import VmCreatePlaced
from tests.unit.placement.rendering.answers import STORAGE, placed


def drawn(monkeypatch: pytest.MonkeyPatch, vms: int, behind: dict[str, tuple[str, int]]) -> list[str]:
    """The last picture of so many VMs, once each of `behind` was told of."""
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=40, color_system=None)
    monkeypatch.setattr(progress, "aside", lambda: console)
    with progress.watched(vms) as watch:
        for name, (what, percent) in behind.items():
            watch(answer(name))(what, percent)
    return [line for line in screen.getvalue().splitlines() if "%" in line]


def answer(name: str) -> VmCreatePlaced:
    return placed(STORAGE, name=name)


def test_few_keep_their_bars_and_long_words_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "cloning web-1 on esx-0001.some.where.example.org"
    picture = "\n".join(drawn(monkeypatch, 2, {"web-1": (long, 35), "web-2": ("created web-2", 100)}))
    assert "cloning web-1 on esx-0001.some" in picture
    assert "…" in picture
    assert "example.org" not in picture
    assert " 35%" in picture
    assert "created web-2" in picture
    assert "of 2 VMs" not in picture


def test_of_many_those_in_work_are_shown_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = {f"web-{n}": (f"created web-{n}", 100) for n in range(6)} | {"web-6": ("preparing web-6", 0)}
    picture = "\n".join(drawn(monkeypatch, 40, behind)[-2:])
    assert "6 of 40 VMs" in picture
    assert "preparing web-6" in picture
    assert "created" not in picture

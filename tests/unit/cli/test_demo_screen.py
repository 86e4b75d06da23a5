"""The demo's screen fits every terminal it promises to fit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from services.cli.demo.picture import (
    EventLine,
    Picture,
    PlacementLine,
    SubnetLine,
    VcenterLine,
    WireLine,
)
from services.cli.demo.screen import draw
from services.cli.rendering.bars import milliseconds, short_count, use_bar

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _busy() -> Picture:
    return Picture(
        vcenter=VcenterLine("demo", "connected", 1, 84, 4, 0.012),
        wires=tuple(WireLine(f"dv-web-{n}", str(100 + n), 12, (f"net-{n}",)) for n in range(12)),
        subnets=tuple(
            SubnetLine(f"net-{n}", f"10.20.{n}.0/24", 253, 20 * n, f"dv-web-{n}", ("dv-other",) * (n % 2))
            for n in range(10)
        ),
        nic_records=96,
        unmatched=11,
        events=[
            EventLine(NOW, "nic.updated", f"web-{n} NIC 1: 10.20.0.{n}/24 → 10.20.0.{n + 1}/24 on dv-web-1")
            for n in range(40)
        ],
        placements=[
            PlacementLine("shop-1", "recorded", "esx-2", ("10.20.1.9",)),
            PlacementLine("shop-2", "refused", reason="no host has 8192 GiB; " * 8),
        ],
        doing="asks for a VM that fits nowhere, to see it refused with reasons",
        latency_p50=0.031,
        latency_p99=0.12,
        hint="second terminal: patchbay vm list · Ctrl-C ends the demo",
    )


def _lines(picture: Picture, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(draw(picture, width, height), end="")
    return captured.get().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (132, 43), (200, 60)])
@pytest.mark.parametrize("picture", [_busy(), Picture()], ids=["busy", "empty"])
def test_the_screen_fits(picture: Picture, width: int, height: int) -> None:
    lines = _lines(picture, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_80x24_shows_all_that_was_promised() -> None:
    text = "\n".join(_lines(_busy(), 80, 24))
    for promised in (
        "connected",
        "lag 12 ms",
        "12 wires",
        "net-9",
        "nic.updated",
        "shop-1",
        "recorded",
        "p99",
    ):
        assert promised in text


def test_what_does_not_fit_is_counted() -> None:
    text = "\n".join(_lines(_busy(), 80, 24))
    assert "more subnets" in text


@pytest.mark.parametrize(
    ("taken", "capacity", "expected"),
    [(0, 100, "··········"), (1, 10**6, "▏·········"), (50, 100, "█████·····"), (100, 100, "██████████")],
)
def test_use_bars(taken: int, capacity: int, expected: str) -> None:
    assert use_bar(taken, capacity, 10).plain == expected


def test_short_numbers() -> None:
    assert [short_count(n) for n in (9999, 65534, 16_777_214, 2**64, 2**64 - 2)] == [
        "9999",
        "65k",
        "16.8M",
        "2^64",
        "2^64",
    ]
    assert [milliseconds(n) for n in (None, 0.0123, 12.0)] == ["-", "12 ms", "12 s"]

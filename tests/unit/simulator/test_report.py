"""From recorded changes to what a filter reports."""

from __future__ import annotations

import pytest

from services.simulator.inventory.entities import Change
from services.simulator.watching.operations import inside, report

DEVICE = "config.hardware.device"


def changes(*pairs: tuple[str, str]) -> list[Change]:
    return [Change(number, path, op) for number, (path, op) in enumerate(pairs, 1)]


@pytest.mark.parametrize(
    ("path", "outer", "expected"),
    [
        ("guest.net", "guest", True),
        ("guest.net", "guest.net", True),
        ("guest.network", "guest.net", False),
        (f"{DEVICE}[4000].backing", DEVICE, True),
        (f"{DEVICE}[40001]", f"{DEVICE}[4000]", False),
        ("guest", "guest.net", False),
    ],
)
def test_inside(path: str, outer: str, expected: bool) -> None:
    assert inside(path, outer) is expected


def test_whole_properties_without_partial_updates() -> None:
    recorded = changes((f"{DEVICE}[4000].backing", "assign"), (f"{DEVICE}[4001]", "add"), ("name", "assign"))
    assert report(recorded, [DEVICE, "guest.net"], partial=False) == [(DEVICE, "assign")]


def test_a_wider_change_assigns_what_was_asked_for() -> None:
    recorded = changes(("config", "assign"))
    assert report(recorded, ["config.uuid", "name"], partial=True) == [("config.uuid", "assign")]


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        ([("[1]", "add"), ("[1].backing", "assign")], [("[1]", "add")]),
        ([("[1].backing", "assign"), ("[1]", "remove")], [("[1]", "remove")]),
        ([("[1]", "add"), ("[1]", "remove")], []),
        ([("[1]", "remove"), ("[1]", "add")], [("[1]", "assign")]),
        ([("[1]", "remove"), ("[1]", "add"), ("[1]", "remove")], [("[1]", "remove")]),
        ([("[1].a", "assign"), ("", "assign")], [("", "assign")]),
        ([("", "assign"), ("[1]", "remove")], [("", "assign")]),
        (
            [("[1].a", "assign"), ("[2].a", "assign"), ("[1].a", "assign")],
            [("[2].a", "assign"), ("[1].a", "assign")],
        ),
    ],
)  # fmt: skip
def test_partial_updates_are_collapsed(recorded: list[tuple[str, str]], told: list[tuple[str, str]]) -> None:
    found = report(changes(*[(DEVICE + path, op) for path, op in recorded]), [DEVICE], partial=True)
    assert found == [(DEVICE + path, op) for path, op in told]

"""`patchbay vcenter`: what is asked wrongly is said before anything is opened."""

from __future__ import annotations

from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner

from services.cli.commands.vcenter import _render
from services.cli.main import app
from services.collector.registry import State, Vcenter


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["change", "lab"], "say what to change"),
        (["change", "lab", "--user", "a", "--user-env", "B"], "one of --user"),
        (["change", "lab", "--insecure", "--verify"], "one of"),
        (["change", "lab", "--ca-file", "/a", "--thumbprint", "ab"], "one of"),
        (["change", "lab", "--password-env", "A", "--ask-password"], "one of"),
        (["change", "lab", "--password-env", "A", "--password-file", "/b"], "one of"),
        (["change", "lab", "--password-env", "hunter2!"], "not the password itself"),
        (["resync", "lab", "--vm", "a", "--datacenter", "b"], "one of --datacenter and --vm"),
        (["add", "lab", "vc"], "--user"),
    ],
)
def test_mistakes_are_named_and_nothing_is_asked(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["vcenter", *words], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("state", "detail", "skew", "said"),
    [
        ("watching", "", None, ""),
        ("watching", "", 29.0, ""),
        ("watching", "", 95.4, "the vCenter's clock is 95 s ahead of ours"),
        (
            "lost",
            "unreachable: no route",
            -7200.0,
            "unreachable: no route; the vCenter's clock is 7200 s behind ours",
        ),
    ],
)
def test_the_list_shows_a_clock_that_differs(
    state: State, detail: str, skew: float | None, said: str
) -> None:
    row = Vcenter(
        *("lab", "https://vc/sdk", "text:me", "env:SECRET"),
        id=UUID(int=1),
        state=state,
        state_detail=detail,
        clock_skew_seconds=skew,
    )
    console = Console(width=200, record=True)
    console.print(_render([row]))
    shown = console.export_text()
    assert said in shown
    assert ("clock" in shown) == ("clock" in said)

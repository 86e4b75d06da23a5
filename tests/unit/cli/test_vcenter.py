"""`patchbay vcenter`: what is asked wrongly is said before anything is opened."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.cli.main import app


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

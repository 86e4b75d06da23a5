"""Wires and suggestions on the command line, against a running installation."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.cli.conftest import Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def watching(here: Shell, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell on an installation that has read its vCenter."""
    here.ask("status", "--wait", "60s")
    if not here.ask("vcenter", "list"):
        secret = tmp_path_factory.mktemp("secret") / "password"
        secret.write_text("vmware\n")
        flags = ["--user", "administrator@vsphere.local", "--password-file", str(secret)]
        here.ask("vcenter", "add", "lab", installed.vcenter, *flags)
    deadline = time.monotonic() + 60
    while len(here.ask("vm", "list")) < 40 or not here.ask("subnet", "suggest") + here.ask("subnet", "list"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return here


def test_1_suggestions_are_looked_at_then_made(watching: Shell) -> None:
    proposed = watching.ask("subnet", "suggest")
    first = proposed[0]
    shown = watching.run("subnet", "suggest", "--evidence")
    assert first["name"] in shown.stdout
    assert first["evidence"][0]["vm_name"] in shown.stdout
    assert "--apply --all" in shown.stderr
    wrong = watching.run("subnet", "suggest", "--apply", first["name"] + "x", code=1)
    assert f"Did you mean '{first['name']}'" in wrong.stderr
    watching.run("subnet", "suggest", "--apply", code=2)
    watching.run("subnet", "suggest", "--all", code=2)
    made = watching.ask("subnet", "suggest", "--apply", first["name"])
    assert [(m["suggestion"]["name"], m["error"]) for m in made] == [(first["name"], None)]
    watching.run("subnet", "suggest", "--apply", "--all")
    assert watching.ask("subnet", "suggest") == []
    assert "nothing to suggest" in watching.run("subnet", "suggest").stdout


def test_2_wires_are_decided_on_tried_and_explained(watching: Shell) -> None:
    subnet = watching.ask("subnet", "list")[0]
    used = {wire["wire"] for wire in subnet["wires"]}
    spare: list[dict[str, Any]] = [w for w in watching.ask("wire", "list") if w["id"] not in used]
    one, two = spare[0]["id"], spare[1]["id"]
    words = ["subnet", "set-wires", subnet["name"], "--pin", one, "--deny", two]
    trial = watching.ask(*words, "--dry-run")
    assert [wire["role"] for wire in trial["wires"]] == ["pinned", "denied"]
    assert "nothing was changed" in watching.run(*words, "--dry-run").stdout
    assert {w["role"] for w in watching.ask("subnet", "wires", subnet["name"])} <= {
        "default",
        "seen",
        "detected",
    }
    watching.run(*words)
    roles = {wire["wire"]: wire["role"] for wire in watching.ask("subnet", "wires", subnet["name"])}
    assert (roles[one], roles[two]) == ("pinned", "denied")
    why = watching.ask("subnet", "why", subnet["name"], one)
    assert (why["role"], why["by"] is not None) == ("pinned", True)
    assert "pinned it" in watching.run("subnet", "why", subnet["name"], one).stdout
    assert "denied" in watching.run("subnet", "wires", subnet["name"]).stdout
    watching.run("subnet", "set-wires", subnet["name"], "--clear", one, "--clear", two)
    watching.run("subnet", "set-wires", subnet["name"], code=2)


def test_3_a_wire_that_is_there_needs_nobody_to_stand_in(watching: Shell) -> None:
    first, second = watching.ask("wire", "list")[:2]
    refused = watching.run("wire", "rebind", first["id"], second["id"], "--json", code=1)
    assert json.loads(refused.stdout)["error"]["code"] == "wire_in_use"
    assert "patchbay subnet move" in refused.stderr
    shown = watching.ask("wire", "show", first["id"])
    assert (shown["offers"], shown["former_names"]) == ([], [])
    assert watching.ask("status")["rebind_offers"] == 0

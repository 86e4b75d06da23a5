"""Rebuild, snapshot, audit and trace as a person types them, on a running installation."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def watched(here: Shell, installed: Installed, tmp_path: Path) -> Shell:
    """A shell on an installation that watches a vCenter."""
    here.ask("status", "--wait", "90s")
    if not here.ask("vcenter", "list"):
        password = tmp_path / "password"
        password.write_text("vmware\n")
        user = ["--user", "administrator@vsphere.local", "--password-file", str(password)]
        here.run("vcenter", "add", "lab", installed.vcenter, *user)
    deadline = time.monotonic() + 90
    while len(json.loads(here.run("wire", "list", "--json").stdout)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return here


def test_an_operators_decision_from_command_to_rebuild(watched: Shell, tmp_path: Path) -> None:
    """On record with what it changed, traced, compared, exported, exchanged; each with its exit code."""
    watched.run("subnet", "create", "kept", "172.29.0.0/24", "--wire", "web-101")
    watched.run("subnet", "create", "bad", "172.29.0.0/25", "--wire", "web-101", code=1)
    [made] = [row for row in watched.ask("audit", "list", "--object", "kept") if row["outcome"] == "accepted"]
    assert made["changes"][0]["type"] == "subnet.created"
    [refused] = watched.ask("audit", "list", "--refused", "--type", "subnet", "--since", "1h")
    assert refused["code"] == "subnet_overlaps"
    assert "vcenter.add" in {row["type"] for row in watched.ask("audit", "list", "--type", "vcenter")}
    assert watched.ask("audit", "show", made["id"][:10])["asked"]["prefix"] == "172.29.0.0/24"
    assert "subnet.created" in watched.run("audit", "show", made["id"][:10]).stdout
    assert "audit list" in watched.run("audit", "show", "nothing", code=1).stderr
    watched.run("audit", "list", "--since", "yesteryear", code=2)

    chain = watched.ask("events", "trace", made["id"])
    assert [event["type"] for event in chain["events"]][:2] == ["command.subnet.create", "subnet.created"]
    assert "subnet.created" in watched.run("events", "trace", made["id"][:8]).stdout
    spans = json.loads(watched.run("events", "trace", made["id"], "--otlp").stdout)
    assert spans["resourceSpans"]
    assert "no event 'nothing'" in watched.run("events", "trace", "nothing", code=1).stderr

    verdict = watched.ask("rebuild", "--verify")
    assert verdict["equal"], verdict
    assert verdict["compared"]["not_compared"]["placement.subnet_use"]
    assert "identical" in watched.run("rebuild", "--verify").stdout

    file = tmp_path / "state.jsonl.gz"
    assert watched.ask("snapshot", "export", str(file))["rows"] > 200
    assert "already" in watched.run("snapshot", "export", str(file), code=2).stderr
    assert watched.ask("snapshot", "check", str(file))["schema_revision"]
    assert "not empty" in watched.run("snapshot", "import", str(file), code=2).stderr
    assert "not empty" in watched.run("snapshot", "import", str(file), "--dry-run", code=2).stderr
    assert watched.ask("rebuild", "--verify", "--from", str(file))["equal"]

    anew = watched.ask("rebuild", "--verify", "--resync", "--wait", "2m")
    assert anew["equal"], anew
    assert anew["begun"]["from"] == "resync"
    assert [one["vcenter"] for one in anew["begun"]["read"]] == ["lab"]
    assert anew["compared"]["not_compared"]["ipam.subnet"].startswith("decided by people")
    told = watched.run("rebuild", "--replace", "--dry-run", "--resync").stdout
    assert "from a fresh read of lab (epoch" in told
    assert "not compared (decided by people" in told

    replaced = watched.ask("rebuild", "--replace", "--yes")
    kept = replaced["kept_as"]
    assert watched.ask("rebuild", "--drop", kept) == {"dropped": kept}
    assert "no database" in watched.run("rebuild", "--restore", kept, "--yes", code=1).stderr
    assert watched.ask("audit", "list", "--type", "rebuild.replace")[0]["result"]["kept_as"] == kept


def test_who_loaded_a_snapshot_is_on_record_behind_what_came_with_it(
    watched: Shell, empty_database: str, tmp_path: Path
) -> None:
    """The audit of the old machine, then the import on the new one."""
    file = tmp_path / "state.jsonl.gz"
    watched.run("snapshot", "export", str(file))
    before = watched.ask("audit", "list")
    watched.monkeypatch.setenv("PATCHBAY_DATABASE_URL", empty_database)
    watched.monkeypatch.setenv("PATCHBAY_DATA_DIR", str(tmp_path / "new"))
    watched.run("db", "upgrade")
    assert watched.ask("snapshot", "import", str(file))["loaded"]
    [imported, *rest] = watched.ask("audit", "list")
    assert imported["type"] == "snapshot.import"
    assert imported["asked"]["file"] == str(file)
    assert imported["result"]["rows"] > 200
    assert [row["id"] for row in rest] == [row["id"] for row in before]
    assert "not empty" in watched.run("snapshot", "import", str(file), code=2).stderr
    assert len(watched.ask("audit", "list", "--type", "snapshot")) == 1, "only what was done"


def test_what_makes_no_sense_is_refused_before_anything_is_done(watched: Shell) -> None:
    """Exit code 2, with what would make sense."""
    for words in (
        ["rebuild"],
        ["rebuild", "--verify", "--replace"],
        ["rebuild", "--verify", "--dry-run"],
        ["rebuild", "--drop", "x", "--from", "y"],
        ["rebuild", "--drop", "x", "--resync"],
        ["rebuild", "--verify", "--resync", "--from", "y"],
        ["rebuild", "--verify", "--wait", "5m"],
    ):
        assert "give" in (told := watched.run(*words, code=2).stderr) or "goes with" in told
    assert (
        "is not a span of time"
        in watched.run("rebuild", "--verify", "--resync", "--wait", "soon", code=2).stderr
    )
    assert "cannot read" in watched.run("snapshot", "check", "/no/such/file", code=2).stderr
    watched.run("rebuild", "--replace", code=1)

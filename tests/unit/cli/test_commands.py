"""Flags and mistakes, before anything is asked of a database or a bus."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PATCHBAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATCHBAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    # No command may get as far as this: a mistake must be told before anything is started.
    monkeypatch.setattr("services.cli.instance.open_platform", _unreachable)


def _unreachable(*_: object, **__: object) -> None:
    raise AssertionError("the command went on in spite of the mistake")


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


NOUNS = ["vcenter", "wire", "subnet", "vm", "nic", "reservation", "events", "dead-letters", "contract", "db"]


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_alone_shows_its_verbs(noun: str) -> None:
    result = _run(noun)
    assert "Commands" in result.output
    assert _run(noun, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wrie", "list"], "Did you mean 'wire'"),
        (["vcenter", "chek", "lab"], "Did you mean 'check'"),
        (["vm", "list", "--vcentr", "lab"], "--vcenter"),
        (["run", "collecter"], "did you mean 'collector'"),
        (["events", "tail", "--since", "yesterdya"], "10m"),
        (["events", "tail", "--from", "middle"], "offset"),
        (["events", "tail", "--from", "first", "--since", "1h"], "not both"),
        (["events", "tail", "--address", "10.0.0.999"], "not an IPv4 or IPv6 address"),
        (["nic", "list", "--address", "10.0.0.0/24"], "prefix length"),
        (["place", "a", "--memory", "lots"], "4G"),
        (["place", "a", "--nic", "subnte=x"], "did you mean 'subnet'"),
        (["place", "a", "--dry-run", "--apply"], "exclude each other"),
        (["place", "a", "--fit", "--apply"], "exclude each other"),
        (["subnet", "create", "a", "10.0.0.1/24", "--wire", "w"], "10.0.0.0/24"),
        (["subnet", "create", "a", "10.0.0.0/24", "--wire", "w", "--range", "x"], "address"),
        (["subnet", "create", "a", "10.0.0.0/24"], "--wire"),
        (["subnet", "update", "a"], "nothing to change"),
        (["subnet", "set-wires", "a"], "--pin"),
        (["vm", "fix-nics", "web", "10.0.0.0/24"], "prefix length"),
        (["reservation", "extend", "x", "--by", "soon"], "15m"),
        (["status", "--wait", "soon"], "15m"),
        (["vcenter", "add", "lab", "vc.example"], "--user"),
        (["vcenter", "add", "lab", "vc", "--user", "a", "--insecure", "--thumbprint", "ab"], "one of"),
        (["vcenter", "add", "lab", "vc", "--user", "a", "--password-file", "/no/such/file"], "cannot read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_named_and_ends_with_2(words: list[str], said: str) -> None:
    result = _run(*words)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_g9_a_password_on_the_command_line_is_refused_and_not_repeated() -> None:
    result = _run("vcenter", "add", "lab", "vc", "--user", "a", "--password-env", "hunter2!")
    assert result.exit_code == 2
    assert "hunter2" not in result.output
    assert _run("vcenter", "add", "lab", "vc", "--user", "a", "--password", "hunter2").exit_code == 2


def test_config_tells_values_and_origins_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_DATABASE_URL", "postgresql://me:hunter2@db/patchbay")
    result = _run("config", "--json")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["PATCHBAY_DATABASE_URL"]["origin"] == "environment"
    assert rows["PATCHBAY_LOG__LEVEL"]["origin"] == "default"
    assert {"PATCHBAY_COLLECTOR__BRAKE_PERCENT", "PATCHBAY_SIMULATOR__PORT"} <= set(rows)
    changed = json.loads(_run("config", "--changed", "--json").stdout)
    assert {row["name"] for row in changed} == {"PATCHBAY_DATABASE_URL", "PATCHBAY_DATA_DIR"}


def test_a_mistyped_setting_is_named_with_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_DATABSE_URL", "x")
    result = _run("wire", "list")
    assert result.exit_code == 2
    assert "PATCHBAY_DATABASE_URL" in result.stderr


def test_the_version_is_told() -> None:
    assert _run("--version").stdout.startswith("patchbay ")

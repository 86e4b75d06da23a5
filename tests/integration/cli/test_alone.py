"""Commands where no service runs: they say so, and what to start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Shell
from tests.servers.processes import private_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Path:
    """A data folder of this module's own: its database is made once."""
    return private_folder("cli")


@pytest.fixture
def alone(shell: Shell, folder: Path) -> Shell:
    """A shell on an installation of which nothing runs."""
    shell.monkeypatch.setenv("PATCHBAY_DATA_DIR", str(folder))
    return shell


def test_a_command_is_not_sent_to_nobody(alone: Shell) -> None:
    refused = alone.run("subnet", "create", "a", "10.0.0.0/24", "--wire", "w", code=2)
    assert "no allocator is running" in refused.stderr
    assert "nothing was sent" in refused.stderr
    assert "patchbay run allocator" in refused.stderr
    assert alone.run("events", "tail", "--from", "first", "-F").stdout == ""
    assert "patchbay run placement" in alone.run("place", "a", code=2).stderr


def test_the_status_says_what_does_not_run(alone: Shell) -> None:
    status = alone.ask("status", code=1)
    assert not any(row["running"] for row in status["services"])
    assert "patchbay run collector allocator placement" in alone.run("status", code=1).stderr


def test_lists_are_empty_and_not_an_error(alone: Shell) -> None:
    for words in (["wire", "list"], ["subnet", "list"], ["vm", "list"], ["nic", "list"], ["vcenter", "list"]):
        assert alone.ask(*words) == []


@pytest.mark.usefixtures("empty_folder")
def test_an_empty_database_is_upgraded_and_says_so(alone: Shell) -> None:
    assert not alone.ask("db", "status", code=1)["up_to_date"]
    assert alone.ask("db", "upgrade")["before"] is None
    assert alone.ask("db", "status")["up_to_date"]
    assert "already" in alone.run("db", "upgrade").stdout


@pytest.fixture
def empty_folder(alone: Shell) -> None:
    """A data folder in which no database was made yet."""
    alone.monkeypatch.setenv("PATCHBAY_DATA_DIR", str(private_folder("cli")))


def test_a_server_that_is_not_there_is_named_without_its_password(alone: Shell) -> None:
    alone.monkeypatch.setenv("PATCHBAY_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/patchbay")
    alone.monkeypatch.setattr("services.cli.instance.PATIENCE", timedelta(seconds=0.5))
    failed = alone.run("wire", "list", code=2)
    assert "127.0.0.1" in failed.stderr
    assert "hunter2" not in failed.output

"""An installation that runs: embedded database and bus, all services, a simulated vCenter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from tests.servers.processes import Server, free_port, private_folder

PROJECT = Path(__file__).parents[3]


@dataclass
class Shell:
    """Types `patchbay` commands."""

    monkeypatch: pytest.MonkeyPatch

    def run(self, *words: str, code: int = 0, typed: str | None = None) -> Result:
        """A command as a person types it; fails when it ends with another exit code than `code`."""
        result = CliRunner().invoke(app, list(words), input=typed, catch_exceptions=False)
        assert result.exit_code == code, f"{words}: exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def ask(self, *words: str, code: int = 0) -> Any:
        """The answer of a command with `--json`; standard output must hold nothing else."""
        return json.loads(self.run(*words, "--json", code=code).stdout)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell on a machine with nothing configured and wide lines."""
    for name in list(os.environ):
        if name.startswith("PATCHBAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(monkeypatch)


@dataclass(frozen=True)
class Installed:
    """A running installation; `vcenter` is the simulated vCenter's address."""

    folder: Path
    vcenter: str


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """`patchbay run all simulator` as a process of its own, with nothing registered yet."""
    folder = private_folder("cli")
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}
    settings = {
        "PATCHBAY_DATA_DIR": str(folder / "data"),
        "PATCHBAY_SIMULATOR__PORT": str(port),
        "PATCHBAY_SIMULATOR__VMS": "40",
        "PATCHBAY_SIMULATOR__BOOT_SECONDS": "0.1",
        "PYTHONPATH": str(PROJECT),
    }
    server = Server(
        [sys.executable, "-m", "services.cli", "run", "all", "simulator"],
        log=folder / "log",
        environment={**kept, **settings},
    )
    server.start()
    yield Installed(folder / "data", f"http://127.0.0.1:{port}/sdk")
    server.stop()


@pytest.fixture
def here(shell: Shell, installed: Installed) -> Shell:
    """A shell that is configured for the running installation."""
    shell.monkeypatch.setenv("PATCHBAY_DATA_DIR", str(installed.folder))
    return shell

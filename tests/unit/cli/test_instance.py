"""Which installation a command talks to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.instance import chosen, demo_claimed, demo_folder, demo_runs
from services.cli.outcome import Misused
from services.cli.settings import Settings
from shared.runtime.settings import load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is configured."""
    for name in list(os.environ):
        if name.startswith("PATCHBAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("shared.runtime.settings.default_data_dir", lambda: tmp_path)
    return tmp_path


def _settings(home: Path, **environment: str) -> Settings:
    found = load_settings(Settings, environment)
    return found if environment else found.model_copy(update={"data_dir": home})


def test_with_nothing_configured_and_nothing_running_the_own_folder_is_taken(home: Path) -> None:
    settings = _settings(home)
    assert chosen(settings) is settings


def test_a_running_demo_is_taken_and_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with demo_claimed(home) as folder:
        assert chosen(_settings(home)).data_dir == folder == demo_folder(home)
    said = capsys.readouterr()
    assert "demo is running" in said.err
    assert said.out == ""
    assert chosen(_settings(home)).data_dir == home


def test_a_configured_installation_is_never_replaced_by_a_demo(home: Path) -> None:
    with demo_claimed(home):
        configured = _settings(home, PATCHBAY_DATA_DIR=str(home))
        assert chosen(configured).data_dir == home
        remote = _settings(home, PATCHBAY_DATABASE_URL="postgresql://db/patchbay")
        assert chosen(remote) is remote


def test_an_installation_that_runs_here_comes_before_a_demo(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with demo_claimed(home):
        assert chosen(_settings(home)).data_dir == home


def test_only_one_demo_at_a_time(home: Path) -> None:
    with demo_claimed(home), pytest.raises(Misused, match="runs already"), demo_claimed(home):
        pass
    with demo_claimed(home):
        assert demo_runs(home)
    assert not demo_runs(home)


def test_a_killed_demo_does_not_run(home: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from services.cli.instance import demo_claimed\n"
        "with demo_claimed(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(home)], check=False, timeout=60)
    assert (home / "demo.lock").exists()
    assert not demo_runs(home)


def test_a_data_folder_that_cannot_be_written_says_so(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(Misused, match="cannot write") as caught, demo_claimed(home / "file" / "data"):
        pass
    assert caught.value.hint is not None
    assert "PATCHBAY_DATA_DIR" in caught.value.hint

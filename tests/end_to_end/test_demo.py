"""The demo, as somebody who has just cloned the project runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.installations import PROJECT
from tests.servers.processes import private_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATCHBAY = [sys.executable, "-m", "services.cli"]


@pytest.fixture
def folder() -> Path:
    """An empty home folder, which is all the demo may use."""
    return private_folder("demo")


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Nothing configured; data and temporary files below `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}
    return {
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(PROJECT),
        "PATCHBAY_DATA_DIR": str(folder / "data"),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "24",
    }


def test_the_check_passes_and_says_what_happened(folder: Path, environment: dict[str, str]) -> None:
    """G1-G8 in one story: exit code 0, each step found as expected, a summary with figures and reasons."""
    ran = subprocess.run(
        [*PATCHBAY, "demo", "--check"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert summary["ok"]
    assert all(step["ok"] for step in summary["steps"])
    assert len(summary["steps"]) >= 15
    assert summary["vms"] >= 60
    assert summary["nic_records"] > 50
    assert (
        sum(summary["unmatched_addresses"]["by_reason"].values()) == summary["unmatched_addresses"]["count"]
    )
    assert all(item["says"] for item in summary["unmatched_addresses"]["addresses"])
    assert len(summary["additional_wires"][0]["evidence"]) >= 2
    assert len(summary["placements_confirmed"]) == 3
    assert summary["refusals"][0]["ruled_out"]
    assert summary["change_to_nic_event_seconds"]["p50"] <= summary["change_to_nic_event_seconds"]["p99"]
    assert list(folder.iterdir()) == [], "the check leaves nothing behind"
    assert _left_running(folder) == []


def test_a_check_that_is_interrupted_ends_cleanly(folder: Path, environment: dict[str, str]) -> None:
    """Ctrl-C in the middle: exit code 1, JSON all the same, no process and no file left."""
    with subprocess.Popen(
        [*PATCHBAY, "demo", "--check"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        assert "reads the vCenter" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert child.returncode == 1, err
    assert json.loads(out)["ok"] is False
    assert list(folder.iterdir()) == []
    assert _left_running(folder) == []


def test_the_screen_is_drawn_and_another_terminal_reaches_the_demo(
    folder: Path, environment: dict[str, str]
) -> None:
    """On a terminal of 80x24 the demo shows records; a second process talks to it; Ctrl-C ends all of it."""
    screen = _Terminal([*PATCHBAY, "demo"], environment)
    try:
        screen.read_until(r"nic\.created")
        elsewhere = {**environment, "PATCHBAY_DATA_DIR": str(folder / "data" / "demo")}
        listed = subprocess.run(
            [*PATCHBAY, "subnet", "list", "--json"],
            env=elsewhere,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert listed.returncode == 0, listed.stderr
        assert json.loads(listed.stdout)
        screen.type("\x03")
        assert screen.end() == 0
    finally:
        screen.kill()
    assert "The demo has ended" in screen.seen
    assert "Traceback" not in screen.seen
    assert _left_running(folder) == []


class _Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.seen = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, environment)  # noqa: S606  our own program

    def read_until(self, pattern: str, within: float = 60) -> None:
        deadline = time.monotonic() + within
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, self.seen[-3000:]
            self._read(1.0)

    def _read(self, patience: float) -> bool:
        if not select.select([self._terminal], [], [], patience)[0]:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False  # the other end is closed
        self.seen += data.decode(errors="replace")
        return bool(data)

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self, within: float = 30) -> int:
        """Its exit code, once it has ended by itself."""
        deadline = time.monotonic() + within
        while self._read(0.5):
            assert time.monotonic() < deadline, self.seen[-3000:]
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)


def _left_running(folder: Path) -> list[str]:
    """Processes that work in `folder`, such as a forgotten PostgreSQL."""
    found = []
    for process in psutil.process_iter(["name", "cwd"]):
        cwd = process.info["cwd"]
        if cwd and Path(cwd).is_relative_to(folder):
            found.append(f"{process.info['name']} in {cwd}")
    return found

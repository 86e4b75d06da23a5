"""How a process ends, and what it says when it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]

PROGRAM = """
import asyncio
from shared.runtime.errors import PermanentError, TransientError
from shared.runtime.logging import configure_logging
from shared.runtime.running import run_until_stopped
from shared.runtime.settings import LogSettings

configure_logging(LogSettings(format="json"), service="test")

async def main(stop):
    print("up", flush=True)
{body}

run_until_stopped(main)
"""


class Process:
    """A process with `body` as its main."""

    def __init__(self, body: str) -> None:
        program = PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    "))
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\\n".decode("unicode_escape")

    def signal(self, which: signal.Signals) -> None:
        os.kill(self._process.pid, which)

    def read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> tuple[int, str]:
        _, errors = self._process.communicate(timeout=60)
        return self._process.returncode, errors


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(which: signal.Signals) -> None:
    process = Process("await stop.wait(); print('bye', flush=True)")
    process.signal(which)
    assert process.read_line() == "bye"
    assert process.end()[0] == 0


def test_a_second_signal_insists() -> None:
    process = Process("await stop.wait(); print('asked', flush=True); await asyncio.sleep(600)")
    process.signal(signal.SIGTERM)
    assert process.read_line() == "asked"
    process.signal(signal.SIGTERM)
    assert process.end()[0] == 130


def test_what_a_person_must_repair_is_one_line_and_code_2() -> None:
    code, said = Process('raise PermanentError("schema is old", code="c", hint="run db upgrade")').end()
    assert code == 2
    assert "schema is old" in said
    assert "run db upgrade" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_what_may_pass_by_itself_is_code_1() -> None:
    code, said = Process('raise TransientError("broker is away")').end()
    assert code == 1
    assert "broker is away" in said
    assert "Traceback" not in said


def test_a_defect_in_any_task_ends_the_process_with_its_traceback() -> None:
    code, said = Process(
        """
        async def broken():
            raise ZeroDivisionError("oops")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stop.wait())
            tasks.create_task(broken())
        """
    ).end()
    assert code == 1
    assert "ZeroDivisionError: oops" in said


def test_to_end_by_itself_is_fine() -> None:
    assert Process("return").end()[0] == 0

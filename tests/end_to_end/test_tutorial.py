"""The tutorial's commands print what its page shows.

To write what they print now into the page: python -m tests.end_to_end.test_tutorial --write
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.pages import Step, agrees, blocks, exports, renewed, rewritten
from tests.end_to_end.terminals import typed
from tests.servers.processes import Server, free_port, private_folder, tail

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "from-first-sync-to-every-nic.md"
PORT = "8989"
"""The simulator's own port, which the page shows; here it takes a free one."""
ASKS = (" list", " why ", " wires ", " check ", " unmatched", " suggest", " status", " who-had ", " tail ")
PATIENCE = 90
"""Seconds that Patchbay has to come to what the page shows."""
SETTLED = 4
"""Seconds after which an answer that is still the same is the last one."""


class Reader:
    """Somebody who follows the page in a home folder of their own."""

    def __init__(self, page: str, home: Path) -> None:
        self.home = home
        self.port = str(free_port())
        self.services: list[Server] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")},
            **{name: value.replace("~", str(home)) for name, value in exports(page).items()},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LOGNAME": "alice",
            "PATCHBAY_SIMULATOR__PORT": self.port,
        }

    def follow(self, step: Step) -> Step:
        """The step with what is printed now; a question is asked until its answer is the one expected."""
        if step.command.startswith("patchbay run "):
            return self._start(step)
        last = time.monotonic() + PATIENCE
        while True:
            printed = self._type(step.command)
            if agrees(step.output, printed) or not _asks(step.command) or time.monotonic() > last:
                return Step(step.command, printed)
            time.sleep(0.5)

    def settle(self, step: Step) -> Step:
        """The same for a page that is not true any more: a question is asked until its answer stays."""
        if not _asks(step.command):
            return Step(step.command, renewed(step.output, self.follow(step).output))
        before, printed = [""], self._type(step.command)
        while not agrees(before, printed):
            time.sleep(SETTLED)
            before, printed = printed, self._type(step.command)
        return Step(step.command, renewed(step.output, printed))

    def _type(self, command: str) -> list[str]:
        lines = typed(command.replace(f":{PORT}/", f":{self.port}/"), self.home, self.environment)
        return [line.replace(self.port, PORT) for line in lines]

    def _start(self, step: Step) -> Step:
        log = self.home / "services.log"
        service = Server(["bash", "-c", f"exec {step.command}"], log=log, environment=self.environment)
        service.start()
        self.services.append(service)
        return Step(step.command)


def _asks(command: str) -> bool:
    """Does it change nothing, so that it may be repeated?"""
    return any(word in f"{command} " for word in ASKS) and "--apply" not in command


@contextmanager
def reading(page: str) -> Iterator[Reader]:
    """A reader whose services end with them."""
    reader = Reader(page, private_folder("tutorial"))
    try:
        yield reader
    finally:
        sys.stdout.write(tail(reader.home / "services.log", 15))  # pytest shows it with a failure
        for service in reader.services:
            service.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_shows_what_is_printed() -> None:
    page = PAGE.read_text()
    with reading(page) as reader:
        for step in (step for block in blocks(page) for step in block):
            printed = reader.follow(step).output
            if not agrees(step.output, printed):
                assert step.output == printed, f"$ {step.command}"


def write() -> None:
    """Write what is printed now into the page, all of it, so that times and ids belong together."""
    page = PAGE.read_text()
    with reading(page) as reader:
        done = [[reader.settle(step) for step in block] for block in blocks(page)]
    PAGE.write_text(rewritten(page, done))
    sys.stdout.write(f"{PAGE} written\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("to write the page anew: python -m tests.end_to_end.test_tutorial --write")
    write()

"""A terminal of 80 columns without colours, as the pages show it."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SECONDS = 90


def typed(command: str, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """The lines that a command prints for a person: a dumb terminal has 80 columns for every program."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["timeout", str(SECONDS), "bash", "-c", command],
        cwd=folder,
        env={**environment, "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        text = _read(ours)
    os.close(ours)
    return [line.rstrip() for line in text.decode().rstrip().splitlines()]


def _read(ours: int) -> bytes:
    """All of it: a terminal that nobody writes to any more ends with an error."""
    text = b""
    with suppress(OSError):
        while chunk := os.read(ours, 65536):
            text += chunk
    return text

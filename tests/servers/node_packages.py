"""Node packages for tests, as tests/servers/node/package-lock.json pins them, installed into .cache/node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.processes import missing

PINNED = Path(__file__).parent / "node"
INSTALLED = Path(__file__).parents[2] / ".cache" / "node"
FILES = ("package.json", "package-lock.json", "parse-asyncapi.mjs")


def find_node() -> Path:
    """The folder with the packages and our scripts. Skips without Node; in CI a failing npm is a failure."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        # The platform itself needs no Node, so its absence is no failure, not even in CI.
        pytest.skip("no Node: install node and npm (apt-get install nodejs npm)")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    # Several test processes come here at once: one installs, nobody reads half-written files.
    with (INSTALLED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned = hashlib.sha256(b"".join((PINNED / name).read_bytes() for name in FILES)).hexdigest()
        stamp = INSTALLED / ".installed"
        if not stamp.exists() or stamp.read_text() != pinned:
            for name in FILES:
                shutil.copyfile(PINNED / name, INSTALLED / name)
            _install()
            stamp.write_text(pinned)
    return INSTALLED


def run_node(folder: Path, *words: str | Path) -> str:
    """What a script prints. Raises CalledProcessError with its errors when it fails."""
    done = subprocess.run(
        ["node", *map(str, words)], cwd=folder, capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout


def _install() -> None:
    try:
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=INSTALLED,
            env={**os.environ, "npm_config_update_notifier": "false"},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error)[-500:]
        missing("Node packages", f"npm ci in tests/servers/node failed: {said}")

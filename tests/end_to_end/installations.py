"""An installation as an operator makes it: environment variables, a process per service, the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers.processes import Server, tail

PROJECT = Path(__file__).parents[2]


class Installation:
    """Services of one configuration, with their logs in `folder`."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PATCHBAY_")}
        self.environment = {**kept, "HOME": str(folder), "PYTHONPATH": str(PROJECT), **settings}
        self._services: dict[str, Server] = {}

    def start(self, *services: str) -> None:
        """Start services as processes of their own."""
        for service in services:
            inherited = {name: "" for name in os.environ if name.startswith("PATCHBAY_")}
            assert not inherited, f"unset {', '.join(inherited)} to run the end-to-end tests"
            server = Server(
                [sys.executable, "-m", f"services.{service}"],
                log=self.folder / f"{service}.log",
                environment=self.environment,
            )
            server.start()
            self._services[service] = server

    def stop(self) -> None:
        """End all services, politely at first."""
        for service in reversed(self._services.values()):
            service.stop()

    def logs(self) -> str:
        """The end of each service's log: what to read when a test fails."""
        return "\n".join(f"--- {name}\n{tail(self.folder / f'{name}.log', 15)}" for name in self._services)

    def patchbay(self, *words: str, code: int = 0) -> Any:
        """Run a command with `--json`; its answer. Fails when the exit code is another than `code`."""
        ran = subprocess.run(
            [sys.executable, "-m", "services.cli", *words, "--json"],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == code, f"{words}: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return json.loads(ran.stdout) if ran.stdout else None

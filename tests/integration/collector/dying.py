"""A collector that kills itself at a named step: `python -m tests.integration.collector.dying STEP [FILE]`.

With FILE, steps are counted only once that file exists.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from services.collector.app import run
from services.collector.settings import Settings
from shared.runtime.service import run_service
from tests.integration.collector.steps import IN_A_SNAPSHOT, IN_THE_STREAM, interrupt


async def die() -> None:
    """As a power cut: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(name: str, arming: Path | None) -> None:
    """Run the collector until that step."""
    step = {**IN_A_SNAPSHOT, **IN_THE_STREAM}[name]
    interrupt(step, die, lambda: arming is None or arming.exists())
    run_service(Settings, run, name="collector")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)

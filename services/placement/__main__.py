"""`python -m services.placement`: settings, then run."""

from __future__ import annotations

from services.placement.app import run
from services.placement.settings import Settings
from shared.runtime.service import run_service


def main() -> None:
    """Run placement until it is told to stop."""
    run_service(Settings, run, name="placement")


if __name__ == "__main__":
    main()

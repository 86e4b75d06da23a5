"""`python -m services.allocator`."""

from __future__ import annotations

from services.allocator.app import NAME, run
from services.allocator.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service(Settings, run, name=NAME)

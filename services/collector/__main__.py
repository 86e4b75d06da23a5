"""Run the collector: `python -m services.collector`."""

from services.collector.app import run
from services.collector.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service(Settings, run, name="collector")

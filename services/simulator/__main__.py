"""`python -m services.simulator`: one simulated vCenter, settings from PATCHBAY_SIMULATOR__* and files."""

from __future__ import annotations

import sys

from services.simulator.app import run
from services.simulator.settings import SimulatorSettings
from shared.runtime.logging import configure_logging
from shared.runtime.running import explain, run_until_stopped
from shared.runtime.settings import CoreSettings, LogSettings, SettingsError, load_settings


class Settings(CoreSettings):
    """The simulator's section beside what every process has; it needs neither database nor bus."""

    simulator: SimulatorSettings = SimulatorSettings()


def main() -> None:
    """Serve until told to stop."""
    try:
        settings = load_settings(Settings)
    except SettingsError as error:
        configure_logging(LogSettings(), service="simulator")
        sys.exit(explain(error))
    configure_logging(settings.log, service="simulator")
    run_until_stopped(lambda stop: run(settings.simulator, stop))


if __name__ == "__main__":
    main()

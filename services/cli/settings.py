"""The settings of every room at once: the command line starts them all."""

from __future__ import annotations

from services.allocator.settings import Settings as AllocatorProcess
from services.collector.settings import Settings as CollectorProcess
from services.placement.settings import Settings as PlacementProcess
from services.simulator.settings import SimulatorSettings
from shared.runtime.settings import load_settings


class Settings(CollectorProcess, AllocatorProcess, PlacementProcess):
    """Everything that can be set; fits wherever a service asks for its own settings."""

    simulator: SimulatorSettings = SimulatorSettings()


def load() -> Settings:
    """The settings of this environment. Raises `SettingsError` with all that is wrong with them."""
    return load_settings(Settings)

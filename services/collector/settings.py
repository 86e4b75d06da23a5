"""The collector's settings: section `collector`, such as PATCHBAY_COLLECTOR__BRAKE_PERCENT."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from shared.runtime.settings import CoreSettings

Seconds = Annotated[float, Field(gt=0)]


class CollectorSettings(BaseModel):
    """How vCenters are watched. Durations are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_wait_seconds: Annotated[int, Field(ge=1, le=1500)] = 10
    """Longest time one question for changes stays open. Sessions die after 30 idle minutes."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 5
    page_objects: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Objects per answer: bounds memory and what is repeated after a crash."""

    bytes_timeout_seconds: Seconds = 60
    """For connecting, and for each wait for bytes of an answer."""
    call_timeout_seconds: Seconds = 300
    """For a call as a whole."""

    backoff_initial_seconds: Seconds = 0.5
    backoff_max_seconds: Seconds = 60
    rejected_retry_seconds: Seconds = 300
    """Before trying a rejected login, or a vCenter that is another one, again: accounts get locked."""

    brake_percent: Annotated[float, Field(ge=0, le=100)] = 20
    brake_minimum: Annotated[int, Field(ge=0)] = 10
    """A sweep of more than `brake_percent` of a kind, and of more than `brake_minimum` objects, waits."""
    brake_recheck_seconds: Seconds = 600
    """Then a second snapshot is taken; what it misses too is removed."""

    registry_poll_seconds: Seconds = 2
    lock_poll_seconds: Seconds = 2
    skew_warning_seconds: Seconds = 30
    """Difference between a vCenter's clock and ours that is worth a warning."""


class Settings(CoreSettings):
    """All settings of the collector's process."""

    collector: CollectorSettings = CollectorSettings()

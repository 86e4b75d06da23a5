"""The collector's settings: section `collector`, such as PATCHBAY_COLLECTOR__BRAKE_PERCENT."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

    partial_updates: bool = True
    """Ask vCenters for the changed elements of lists only, not for whole lists."""
    coalesce_seconds: Annotated[float, Field(ge=0, le=60)] = 0.25
    """Who was just told of is told of again after so long, with all that changed meanwhile. 0: at once."""

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
    lock_silence_seconds: Seconds = 15
    """A collector that hangs, or whose machine is gone, loses its vCenters to a standby after this time."""
    skew_warning_seconds: Seconds = 30
    """Difference between a vCenter's clock and ours that is worth a warning."""

    @property
    def wait_seconds(self) -> int:
        """How long a question for changes stays open: no longer than until a heartbeat is owed."""
        return max(1, min(self.max_wait_seconds, int(self.heartbeat_seconds)))

    @model_validator(mode="after")
    def _silence_is_shorter_than_patience(self) -> Self:
        if self.bytes_timeout_seconds <= self.wait_seconds:
            raise ValueError(
                f"bytes_timeout_seconds ({self.bytes_timeout_seconds:g}) has to be longer than vCenter may "
                f"stay silent ({self.wait_seconds} s: the lesser of max_wait_seconds and heartbeat_seconds)"
            )
        if self.lock_silence_seconds < 2 * self.lock_poll_seconds:
            raise ValueError(
                f"lock_silence_seconds ({self.lock_silence_seconds:g}) has to be at least twice "
                f"lock_poll_seconds ({self.lock_poll_seconds:g}): a healthy collector asks no more often"
            )
        return self


class Settings(CoreSettings):
    """All settings of the collector's process."""

    collector: CollectorSettings = CollectorSettings()

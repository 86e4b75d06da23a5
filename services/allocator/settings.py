"""Settings of the allocator, `PATCHBAY_ALLOCATOR__…`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.allocator.domain.evidence import Weight
from shared.runtime.settings import CoreSettings


class AllocatorSettings(BaseModel):
    """How much evidence attaches a wire, how much is done at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attach_threshold: Annotated[int, Field(ge=1, le=1000)] = 2
    """VMs that must be seen with addresses of a subnet on a further wire before it is attached."""
    strong_weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """What a VM counts whose prefix length and gateway are the subnet's."""
    detach_days: Annotated[float, Field(gt=0, le=3650)] = 7
    """How long nobody must be seen with addresses of a subnet on a detected wire until it is detached."""
    history_days: Annotated[float, Field(gt=0, le=3650)] = 7
    """How long each VM's facts are kept one by one; a fact that comes later than that changes nothing."""
    release_grace_seconds: Annotated[float, Field(ge=0, le=86400)] = 0
    """How long what a removed VM or device had is kept for it, before it is released and cools down."""
    change_settle_seconds: Annotated[float, Field(ge=0, le=86400)] = 0
    """How long Tools must have reported another address until it takes the place of the one before."""
    conflict_winner: Literal["living", "earlier"] = "living"
    """Of two VMs seen with one address the earlier one keeps it; `living`: but not while it is off, or its
    Tools are silent, and the other is alive."""
    sighting_days: Annotated[float, Field(gt=0, le=36500)] = 90
    """How long sightings that ended are kept as evidence; at least `history_days`."""
    tenure_days: Annotated[float, Field(gt=0, le=36500)] = 1095
    """How long it is kept who had which address, from when to when."""
    audit_days: Annotated[float, Field(gt=0, le=36500)] = 1095
    """How long it is kept who asked for what."""
    batch: Annotated[int, Field(ge=1, le=5000)] = 500
    """Facts applied in one transaction."""
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = 5
    """How long to wait for a batch to fill."""

    def weight(self) -> Weight:
        """The part that decides on evidence."""
        return Weight(self.attach_threshold, self.strong_weight, timedelta(days=self.detach_days))


class Settings(CoreSettings):
    """Settings of an allocator process."""

    allocator: AllocatorSettings = AllocatorSettings()

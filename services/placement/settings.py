"""Settings of placement, `PATCHBAY_PLACEMENT__…`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.placement.domain.policy import Policy
from services.placement.policy_file import read_policy
from shared.runtime.settings import CoreSettings

Ratio = Annotated[float, Field(gt=0, le=100)]
Weight = Annotated[float, Field(ge=0, le=1000)]


class PlacementSettings(BaseModel):
    """How hosts are filled and how long facts and reservations last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_overcommit: Ratio = 4.0
    """Virtual CPUs handed out per physical core."""
    memory_overcommit: Ratio = 1.0
    """Memory handed out per physical memory."""
    count_powered_off: bool = True
    """Whether VMs that are powered off take room: they may be powered on at any moment."""
    max_staleness_seconds: Annotated[float, Field(gt=0)] = 120.0
    """Facts of a vCenter older than this place nothing on its hosts."""
    cpu_weight: Weight = 1.0
    memory_weight: Weight = 1.0
    policy_file: Path | None = None
    """YAML with overcommit ratios, weights and labels; what it says goes before the settings above."""
    policy_interval_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often the policy file is looked at. A changed one is taken at the second look, if it is right."""
    view_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How old the world may be that a choice is made on. It is checked again when it is committed."""
    alternatives: Annotated[int, Field(ge=0, le=100)] = 5
    """How many further hosts that fit are named in an answer."""
    max_rulings: Annotated[int, Field(ge=1, le=5000)] = 200
    """Rulings in a published answer; all of them are kept with the request."""
    max_lease_seconds: Annotated[int, Field(ge=10)] = 604800
    """How far ahead a reservation may be extended."""
    expiry_interval_seconds: Annotated[float, Field(gt=0)] = 1.0
    verify_interval_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often addresses of confirmed VMs are compared with what Tools say."""
    sample_interval_seconds: Annotated[float, Field(ge=60)] = 3600.0
    """How often it is noted how full each subnet is, for forecasts."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 50
    """Requests answered in one transaction."""

    def policy(self) -> Policy:
        """The part that decisions look at. Raises PermanentError when the policy file cannot be used."""
        policy = Policy(
            cpu_overcommit=self.cpu_overcommit,
            memory_overcommit=self.memory_overcommit,
            max_staleness=timedelta(seconds=self.max_staleness_seconds),
            cpu_weight=self.cpu_weight,
            memory_weight=self.memory_weight,
            alternatives=self.alternatives,
        )
        return policy if self.policy_file is None else read_policy(self.policy_file, policy)


class Settings(CoreSettings):
    """Settings of a placement process."""

    placement: PlacementSettings = PlacementSettings()

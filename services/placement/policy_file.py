"""The policy file: what operators decide about hosts and about what makes one better than another.

    overcommit: {cpu: 4.0, memory: 1.0}
    weights: {memory: 1.0, cpu: 1.0, labels: 2.0, affinity: 1.0}
    max_staleness_seconds: 120
    labels:
      vcenters: {"vc-east": {site: east}}
      clusters: {"prod-*": {tier: gold}}
      hosts: {"esx-0*": {disk: nvme}}

What it does not say stays as the settings have it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.placement.domain.policy import Policy
from shared.runtime.errors import PermanentError

Ratio = Annotated[float, Field(gt=0, le=100)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Labels = dict[Name, dict[Name, str]]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Overcommit(_Strict):
    """Capacity handed out per physical capacity."""

    cpu: Ratio | None = None
    memory: Ratio | None = None


class Weights(_Strict):
    """How much each share counts, relative to the others."""

    memory: Weight | None = None
    cpu: Weight | None = None
    labels: Weight | None = None
    affinity: Weight | None = None


class LabelRules(_Strict):
    """Labels by name or managed object id; "*" stands for anything."""

    vcenters: Labels = Field(default_factory=dict)
    clusters: Labels = Field(default_factory=dict)
    hosts: Labels = Field(default_factory=dict)


class PolicyFile(_Strict):
    """The content of a policy file."""

    overcommit: Overcommit = Overcommit()
    weights: Weights = Weights()
    max_staleness_seconds: Annotated[float, Field(gt=0)] | None = None
    labels: LabelRules = LabelRules()


def read_policy(path: Path, base: Policy) -> Policy:
    """The policy of a file, over `base`. Raises PermanentError, naming each mistake by its field."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _unusable(path, f"not YAML: {' '.join(str(error).split())}") from None
    try:
        found = PolicyFile.model_validate({} if content is None else content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_url=False)]
        raise _unusable(path, "; ".join(faults)) from None
    changes: dict[str, Any] = {
        "cpu_overcommit": found.overcommit.cpu,
        "memory_overcommit": found.overcommit.memory,
        "memory_weight": found.weights.memory,
        "cpu_weight": found.weights.cpu,
        "label_weight": found.weights.labels,
        "affinity_weight": found.weights.affinity,
    }
    policy = replace(base, **{name: value for name, value in changes.items() if value is not None})
    if found.max_staleness_seconds is not None:
        policy = replace(policy, max_staleness=timedelta(seconds=found.max_staleness_seconds))
    return replace(
        policy,
        vcenter_labels=found.labels.vcenters,
        cluster_labels=found.labels.clusters,
        host_labels=found.labels.hosts,
    )


def _unusable(path: Path, why: str) -> PermanentError:
    return PermanentError(f"policy file {path}: {why}", code="policy_invalid")

"""What operators set about placement decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """Ratios are capacity handed out per physical capacity; weights are relative to each other."""

    cpu_overcommit: float = 4.0
    memory_overcommit: float = 1.0
    max_staleness: timedelta = timedelta(seconds=120)
    cpu_weight: float = 1.0
    memory_weight: float = 1.0
    label_weight: float = 1.0
    """Of the share of a request's preferred labels that a host has."""
    affinity_weight: float = 1.0
    """Of the share of a request's wishes for or against neighbours that a host meets."""
    alternatives: int = 5
    """How many hosts that would have done as well are named in an answer, with their scores."""
    named: int = 20
    """How many hosts that were ruled out are named in an answer that places; the others are counted."""
    vcenter_labels: Mapping[str, Labels] = field(default_factory=dict)
    cluster_labels: Mapping[str, Labels] = field(default_factory=dict)
    host_labels: Mapping[str, Labels] = field(default_factory=dict)
    """By name or managed object id, in which "*" stands for anything."""

    @property
    def scale(self) -> tuple[float, float, float, float]:
        """What says how full a host with a load is."""
        return self.cpu_overcommit, self.memory_overcommit, self.cpu_weight, self.memory_weight

    def labels(
        self, vcenter: tuple[str, ...], cluster: tuple[str, ...], host: tuple[str, ...]
    ) -> dict[str, str]:
        """Labels of a host: its vCenter's, overruled by its cluster's, overruled by its own."""
        found: dict[str, str] = {}
        for names, patterns in (
            (vcenter, self.vcenter_labels),
            (cluster, self.cluster_labels),
            (host, self.host_labels),
        ):
            for pattern, labels in patterns.items():
                if any(fnmatchcase(name, pattern) for name in names):
                    found |= labels
        return found

"""What the demo's screen shows, as plain values. The watch fills it, the screen draws it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Stage = Literal["asked", "placed", "creating", "booting", "confirmed", "recorded", "refused", "expired"]


@dataclass(frozen=True)
class VcenterLine:
    """The vCenter as the platform sees it; `lag_seconds` as its last heartbeat stated it."""

    name: str
    state: str
    epoch: int
    vms: int
    hosts: int
    lag_seconds: float | None


@dataclass(frozen=True)
class WireLine:
    """A wire, with the names of the subnets used from it; those detected or pinned carry a "+"."""

    name: str
    vlan: str
    ports: int
    subnets: tuple[str, ...]


@dataclass(frozen=True)
class SubnetLine:
    """A subnet with its use: `taken` of `capacity` allocatable addresses are not free."""

    name: str
    prefix: str
    capacity: int
    taken: int
    wire: str
    more_wires: tuple[str, ...]


@dataclass(frozen=True)
class EventLine:
    """An event of the platform, in a line."""

    time: datetime
    type: str
    text: str


@dataclass
class PlacementLine:
    """A create-VM request on its way to a NIC record."""

    name: str
    stage: Stage
    host: str = ""
    addresses: tuple[str, ...] = ()
    reason: str = ""


@dataclass
class Picture:
    """Everything the screen shows."""

    vcenter: VcenterLine | None = None
    wires: tuple[WireLine, ...] = ()
    subnets: tuple[SubnetLine, ...] = ()
    nic_records: int = 0
    unmatched: int = 0
    events: list[EventLine] = field(default_factory=list)
    placements: list[PlacementLine] = field(default_factory=list)
    doing: str = "starting"
    latency_p50: float | None = None
    """Seconds from a change in the vCenter to the NIC event's arrival; `latency_p99` likewise."""
    latency_p99: float | None = None
    hint: str = ""

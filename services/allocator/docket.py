"""What settling has before it: a case, and what is stored of its outcome so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.matching import SubnetView
from services.allocator.domain.records import NicRecord, PortView
from services.allocator.domain.settlement import Case
from services.allocator.views import WireName


@dataclass(frozen=True, slots=True)
class Person:
    """Whose an address is: what events about it tell."""

    port: UUID
    vm: UUID
    vcenter: UUID
    vm_moid: str
    vm_name: str
    device_key: int
    label: str | None
    mac: str | None
    wire: UUID | None


@dataclass(slots=True)
class Docket:
    """A case, and what is stored of its outcome so far."""

    case: Case
    ports: dict[UUID, PortView]
    """Living ports, by id."""
    people: dict[UUID, Person]
    """Who is who, by port; unplaced sightings have one, too."""
    alive: set[UUID]
    """VMs that exist."""
    records: dict[UUID, NicRecord]
    """By port."""
    unmatched: dict[tuple[UUID, str], Record]
    conflicts: dict[UUID, Record]
    wires: dict[UUID, WireName] = field(default_factory=dict)
    subnets: dict[UUID, SubnetView] = field(default_factory=dict)
    former: Mapping[UUID, SubnetView] = field(default_factory=dict)
    """Subnets that this transaction changed or ended, as they were."""

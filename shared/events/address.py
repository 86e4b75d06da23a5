"""Events about addresses that have no NIC record, or two claimants."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Event, Part, Timestamp
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress

Verdict = Literal[
    "no_subnet_on_wire",
    "outside_prefix",
    "subnet_on_other_wire",
    "ambiguous",
    "denied",
    "conflict",
    "reserved",
    "drift",
    "weaker_source",
    "link_local",
    "wire_unknown",
]
"""Why an address has no NIC record. The list is closed; a new verdict is a new version of the events."""


class Sighting(Part):
    """An address seen on a port."""

    vcenter: UUID
    vm: UUID
    vm_moid: str
    vm_name: str
    port: UUID | None = None
    """None for the weaker source, which tells no device."""
    device_key: int | None = None
    mac: MacAddress | None = None
    wire: UUID | None = None
    wire_name: str | None = None
    address: AddressText


class _AboutSighting(Event):
    sighting: Sighting
    since: Timestamp

    def subject_of(self) -> str:
        return f"address/{self.sighting.address}"

    def vcenter_of(self) -> UUID | None:
        return self.sighting.vcenter


class AddressUnmatched(_AboutSighting):
    """An address was seen that no NIC record can be made for; it counts as in use all the same."""

    TYPE: ClassVar[str] = "address.unmatched"
    verdict: Verdict
    explanation: str
    """One sentence for a person, with the next step."""
    subnets: tuple[UUID, ...] = ()
    """The subnets that the verdict speaks of."""

    def subnet_of(self) -> UUID | None:
        return self.subnets[0] if len(self.subnets) == 1 else None


class AddressMatched(_AboutSighting):
    """An address that had been unmatched has its NIC record now, or is gone."""

    TYPE: ClassVar[str] = "address.matched"
    outcome: Literal["recorded", "gone"]
    nic: UUID | None = None


class Party(Part):
    """One side of a conflict."""

    kind: Literal["nic", "sighting", "reservation", "reserved"]
    id: UUID
    vcenter: UUID | None = None
    vm: UUID | None = None
    vm_name: str | None = None
    mac: MacAddress | None = None


class _AboutConflict(Event):
    id: UUID
    scope: str
    address: AddressText
    holder: Party
    claimant: Party

    def subject_of(self) -> str:
        return f"address/{self.address}"

    def vcenter_of(self) -> UUID | None:
        return self.claimant.vcenter


class ConflictOpened(_AboutConflict):
    """Two claim one address in one scope; the holder keeps it."""

    TYPE: ClassVar[str] = "address.conflict.opened"


class ConflictResolved(_AboutConflict):
    """A conflict ended: one side went, or changed its address."""

    TYPE: ClassVar[str] = "address.conflict.resolved"
    outcome: str

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
    "shared",
    "unsettled",
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


ConflictKind = Literal[
    "address", "fixed", "bound", "reserved", "reservation", "gateway", "mac", "instance_uuid"
]
"""What two claim. address: two ports are seen with it. fixed: an operator stated it for the holder's port.
bound, reserved: an operator keeps it for a MAC, or out of use. reservation: it is held for a VM to come.
gateway: it is the gateway of the subnet. mac: two ports that are on have it. instance_uuid: two VMs that are
on have it."""


class Party(Part):
    """One side of a conflict. Of kind "gateway" `id` is the subnet, of kind "vm" the VM at one vCenter."""

    kind: Literal["nic", "sighting", "reservation", "reserved", "gateway", "port", "vm"]
    id: UUID
    vcenter: UUID | None = None
    vm: UUID | None = None
    vm_name: str | None = None
    mac: MacAddress | None = None
    port: UUID | None = None
    vm_moid: str | None = None
    name: str | None = None
    """Of a subnet, or the note of a reservation."""


class _AboutConflict(Event):
    id: UUID
    kind: ConflictKind = "address"
    scope: str | None = None
    """None for instance UUIDs, which are to be unique everywhere."""
    address: AddressText | None = None
    mac: MacAddress | None = None
    instance_uuid: UUID | None = None
    since: Timestamp | None = None
    """Since when both claim it."""
    holder: Party
    claimant: Party

    def subject_of(self) -> str:
        if self.address is not None:
            return f"address/{self.address}"
        return f"mac/{self.mac}" if self.mac is not None else f"instance/{self.instance_uuid}"

    def vcenter_of(self) -> UUID | None:
        return self.claimant.vcenter


class ConflictOpened(_AboutConflict):
    """Two claim the same in one scope; the holder keeps it."""

    TYPE: ClassVar[str] = "address.conflict.opened"


class ConflictResolved(_AboutConflict):
    """A conflict ended: one side went, or changed its address, or people said that it is none."""

    TYPE: ClassVar[str] = "address.conflict.resolved"
    outcome: str

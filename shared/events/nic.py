"""Events about NIC records: a port bound to subnet and addresses, which the platform vouches for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Part, Timestamp
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress

NicSource = Literal["tools", "fixed", "reservation"]


class NicAddress(Part):
    """An address of a NIC record, with the subnet it was found in."""

    address: AddressText
    prefix: Annotated[int, Field(ge=0, le=128)]
    subnet: UUID
    subnet_name: str
    gateway: AddressText | None = None
    source: NicSource


class NicFacts(Part):
    """A NIC record."""

    id: UUID
    vcenter: UUID
    vm: UUID
    vm_moid: str
    vm_name: str
    port: UUID
    device_key: int
    label: str
    mac: MacAddress | None = None
    wire: UUID
    wire_name: str
    addresses: tuple[NicAddress, ...]


class _AboutNic(Event):
    nic: NicFacts
    since: Timestamp
    """When the fact that led to it was observed."""

    def subject_of(self) -> str:
        return f"nic/{self.nic.id}"

    def vcenter_of(self) -> UUID | None:
        return self.nic.vcenter

    def subnet_of(self) -> UUID | None:
        return self.nic.addresses[0].subnet if self.nic.addresses else None


class NicCreated(_AboutNic):
    """A port got its NIC record."""

    TYPE: ClassVar[str] = "nic.created"


class NicUpdated(_AboutNic):
    """A NIC record changed: addresses, wire, VM name, MAC."""

    TYPE: ClassVar[str] = "nic.updated"
    before: NicFacts


class NicReleased(_AboutNic):
    """A NIC record ended and its addresses began to cool down; `nic` is its last state."""

    TYPE: ClassVar[str] = "nic.released"
    reason: Literal["vm_removed", "port_removed", "address_gone", "subnet_deleted", "unfixed"]

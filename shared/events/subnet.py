"""Events about subnets and the wires they are used from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Part, Timestamp
from shared.model.addresses import AddressText, PrefixText
from shared.model.mac import MacAddress

AllocationOrder = Literal["lowest", "highest", "random", "longest_unused"]


class AddressRange(Part):
    """An inclusive range of addresses."""

    first: AddressText
    last: AddressText


class Route(Part):
    """A static route that guests on the subnet get."""

    to: PrefixText
    via: AddressText


class SubnetFacts(Part):
    """An IP network kept by Patchbay."""

    id: UUID
    scope: str
    name: str
    prefix: PrefixText
    ranges: tuple[AddressRange, ...]
    """What may be allocated; by default all of the prefix that can be."""
    gateway: AddressText | None = None
    dns: tuple[AddressText, ...] = ()
    domain: str | None = None
    ntp: tuple[str, ...] = ()
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = None
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    routes: tuple[Route, ...] = ()
    default_wire: UUID
    auto_allocate: bool = True
    allocation_order: AllocationOrder = "lowest"
    cooldown_seconds: Annotated[int, Field(ge=0)] = 1800
    labels: dict[str, str] = Field(default_factory=dict)
    revision: int = 1
    """Counts the changes of the subnet, from 1."""


class _AboutSubnet(Event):
    subnet: SubnetFacts
    by: str = "unknown"
    """Who decided it."""

    def subject_of(self) -> str:
        return f"subnet/{self.subnet.id}"

    def subnet_of(self) -> UUID | None:
        return self.subnet.id


class SubnetCreated(_AboutSubnet):
    """An operator created a subnet."""

    TYPE: ClassVar[str] = "subnet.created"


class SubnetUpdated(_AboutSubnet):
    """An operator changed a subnet."""

    TYPE: ClassVar[str] = "subnet.updated"
    before: SubnetFacts


class SubnetDeleted(_AboutSubnet):
    """An operator deleted a subnet that nobody used any more."""

    TYPE: ClassVar[str] = "subnet.deleted"


class Evidence(Part):
    """A sighting that shows a subnet in use from a wire other than its default one."""

    vm: UUID
    vm_name: str
    port: UUID
    mac: MacAddress | None = None
    address: AddressText
    first_seen: Timestamp
    last_seen: Timestamp
    strong: bool
    """Prefix length and default gateway agree with the subnet's."""


class _SubnetOnWire(Event):
    subnet: UUID
    subnet_name: str
    wire: UUID
    wire_name: str
    vcenter: UUID

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"

    def vcenter_of(self) -> UUID | None:
        return self.vcenter

    def subnet_of(self) -> UUID | None:
        return self.subnet


class SubnetWireAttached(_SubnetOnWire):
    """A further wire may use the subnet: detected, with its evidence, or pinned by an operator."""

    TYPE: ClassVar[str] = "subnet.wire.attached"
    how: Literal["detected", "pinned"]
    since: Timestamp | None = None
    """From when on: when the evidence became enough, or the operator said so."""
    before: Literal["detected", "pinned", "denied"] | None = None
    """What the wire was to the subnet until then."""
    by: str | None = None
    """The operator who pinned it."""
    evidence: tuple[Evidence, ...] = ()


class SubnetWireDetached(_SubnetOnWire):
    """A further wire may no longer use the subnet, or an operator's word on it changed.

    `denied`: an operator ruled it out, whether it was in use or not. `unpinned`, `undenied`: an operator took
    a pin or a denial back, and evidence decides again. `evidence_ended`: nobody has been seen on it with an
    address of the subnet for so long, or what was heard later shows that nobody ever was. `rebound`: another
    wire stands in for it.
    """

    TYPE: ClassVar[str] = "subnet.wire.detached"
    how: Literal["evidence_ended", "denied", "unpinned", "undenied", "rebound"]
    since: Timestamp | None = None
    """From when on."""
    before: Literal["detected", "pinned", "denied"] | None = None
    """What the wire was to the subnet until then."""
    by: str | None = None
    """The operator who decided."""
    evidence: tuple[Evidence, ...] = ()
    """Who was seen last, where the evidence ended."""

"""Events about wires: the layer-2 networks that port groups are."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Part
from shared.events.inventory import Vlan


class WireFacts(Part):
    """What a wire is, as the vCenter presents its port group."""

    id: UUID
    vcenter: UUID
    network: str
    """Managed object id of the port group."""
    name: str
    kind: Literal["standard", "distributed", "opaque"]
    vlan: Annotated[Vlan, Field()]
    datacenter_name: str | None = None
    switch_name: str | None = None


class AboutWire(Event):
    """What all events about one wire have."""

    wire: WireFacts

    def subject_of(self) -> str:
        return f"wire/{self.wire.id}"

    def vcenter_of(self) -> UUID | None:
        return self.wire.vcenter


class WireCreated(AboutWire):
    """A port group appeared, and with it its wire."""

    TYPE: ClassVar[str] = "wire.created"


class WireRenamed(AboutWire):
    """The port group has a new name; everything bound to the wire stays bound."""

    TYPE: ClassVar[str] = "wire.renamed"
    before: str


class WireRetired(AboutWire):
    """The port group is gone. Its subnets and their records stay."""

    TYPE: ClassVar[str] = "wire.retired"

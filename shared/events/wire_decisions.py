"""Events about what operators decide on wires: which one stands in for which, and what counts as one."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Event, Part
from shared.events.wire import AboutWire, WireFacts

WireMapping = Literal["portgroup", "switch"]
"""`portgroup`: each port group is a network of its own. `switch`: port groups of one virtual switch with the
same VLAN are one network, so that a subnet is found by switch and VLAN id."""


class WireUse(Part):
    """A subnet that is, or was, used from a wire, and what the wire is to it."""

    subnet: UUID
    subnet_name: str
    role: Literal["default", "detected", "pinned", "denied"]


class WireRebindOffered(AboutWire):
    """A port group was made again (same switch, name and VLAN) in place of one that subnets still name.

    Nothing changed by it: `patchbay wire rebind` does, when an operator wants it.
    """

    TYPE: ClassVar[str] = "wire.rebind.offered"
    instead_of: WireFacts
    """The wire whose port group is gone."""
    uses: tuple[WireUse, ...]


class WireRebound(AboutWire):
    """An operator let `wire` stand in for a wire that is gone: its subnets are used from here now."""

    TYPE: ClassVar[str] = "wire.rebound"
    instead_of: WireFacts
    uses: tuple[WireUse, ...]
    """What the old wire was used for, and the new one is now."""
    by: str


class WirePinned(Part):
    """A wire that was pinned to a subnet with a change of mapping, so that records stay."""

    subnet: UUID
    subnet_name: str
    wire: UUID
    wire_name: str


class WireMappingChanged(Event):
    """An operator decided what counts as one network in a vCenter."""

    TYPE: ClassVar[str] = "wire.mapping.changed"
    vcenter: UUID
    vcenter_name: str
    mapping: WireMapping
    before: WireMapping
    pinned: tuple[WirePinned, ...] = ()
    """Wires that carry records only by the mapping before, and are pinned from now on."""
    by: str

    def subject_of(self) -> str:
        return f"vcenter/{self.vcenter}"

    def vcenter_of(self) -> UUID | None:
        return self.vcenter

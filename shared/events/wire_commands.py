"""What operators ask of wires: who uses a subnet, what stands in for what is gone, what is one network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Part
from shared.events.commands import AllocatorCommand
from shared.events.wire_decisions import WireMapping


class WirePolicy(Part):
    """What is stated about one wire's use of a subnet."""

    wire: str
    """Id, or managed object id or name where those are unambiguous."""
    policy: Literal["pin", "deny", "auto"]
    """May use it; may not; is left to detection."""


class SubnetSetWires(AllocatorCommand):
    """State for several wires at once whether they may use a subnet; all or nothing."""

    TYPE: ClassVar[str] = "command.subnet.set_wires"
    subnet: str
    """Id, or name in `scope`."""
    scope: str = "default"
    wires: Annotated[tuple[WirePolicy, ...], Field(min_length=1)]

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"


class WireRebind(AllocatorCommand):
    """Let a wire stand in for one whose port group is gone: all that is used from there is used from here."""

    TYPE: ClassVar[str] = "command.wire.rebind"
    old: str
    """Id, or managed object id or name where those are unambiguous among wires that are gone."""
    new: str
    """Id, or managed object id or name where those are unambiguous."""

    def subject_of(self) -> str:
        return f"wire/{self.old}"


class WireSetMapping(AllocatorCommand):
    """Decide what counts as one network in a vCenter: each port group, or all of a switch with one VLAN."""

    TYPE: ClassVar[str] = "command.wire.set_mapping"
    vcenter: UUID
    mapping: WireMapping
    keep: bool = True
    """From `switch` to `portgroup`: pin the wires that carry records by the old mapping, so these stay."""

    def subject_of(self) -> str:
        return f"vcenter/{self.vcenter}"

    def vcenter_of(self) -> UUID | None:
        return self.vcenter

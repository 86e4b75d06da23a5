"""Events about subnets that changed their shape or place. Each has all that holds afterwards."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Event, Part, Timestamp
from shared.events.subnet import SubnetFacts


class AdditionalWire(Part):
    """What a wire other than the default one is to a subnet."""

    wire: UUID
    role: Literal["detected", "pinned", "denied"]
    since: Timestamp
    by: str | None = None
    """The operator who pinned or denied it."""


class _Reshaped(Event):
    subnet: SubnetFacts
    """As it is now."""
    before: SubnetFacts
    wires: tuple[AdditionalWire, ...] = ()
    """Its additional wires now, all of them."""
    by: str = "unknown"

    def subject_of(self) -> str:
        return f"subnet/{self.subnet.id}"

    def subnet_of(self) -> UUID | None:
        return self.subnet.id


class SubnetSplitUp(_Reshaped):
    """An operator made several subnets of one. `subnet` is the part that kept its id."""

    TYPE: ClassVar[str] = "subnet.split"
    parts: tuple[SubnetFacts, ...]
    """The other parts, by address; `wires` are theirs, too."""


class SubnetMerged(_Reshaped):
    """An operator made one subnet of several."""

    TYPE: ClassVar[str] = "subnet.merged"
    merged: tuple[SubnetFacts, ...]
    """Those that are gone, as they were."""


class SubnetMoved(_Reshaped):
    """An operator gave a subnet another default wire."""

    TYPE: ClassVar[str] = "subnet.moved"

"""What operators ask for when a subnet's shape or place is to change: split, merge, move."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from shared.events.commands import AllocatorCommand
from shared.model.addresses import AddressText, PrefixText


class _AboutSubnet(AllocatorCommand):
    subnet: str
    """Id, or name in `scope`."""
    scope: str = "default"

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"


class SubnetSplit(_AboutSubnet):
    """Make several subnets of one, at a prefix length or at addresses; records and addresses stay."""

    TYPE: ClassVar[str] = "command.subnet.split"
    prefix_length: Annotated[int, Field(ge=1, le=128)] | None = None
    """All parts get this one."""
    at: tuple[AddressText, ...] = ()
    """Each is the first address of a part; the parts are the fewest prefixes that begin there."""
    names: tuple[str, ...] = ()
    """Of the parts after the first, by address. Default: the subnet's name with "-2", "-3" …"""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.prefix_length is None) == (not self.at):
            raise ValueError("give a prefix length or addresses to split at, one of the two")
        return self


class SubnetMerge(_AboutSubnet):
    """Make one subnet of several; the first stays what it is, and takes in the others."""

    TYPE: ClassVar[str] = "command.subnet.merge"
    others: Annotated[tuple[str, ...], Field(min_length=1)]
    """Ids, or names in `scope`, of those that it takes in."""
    prefix: PrefixText | None = None
    """What it is to cover. Default: exactly the prefixes of all, which must then make up one."""


class SubnetMove(_AboutSubnet):
    """Give a subnet another default wire."""

    TYPE: ClassVar[str] = "command.subnet.move"
    wire: str
    """Id of the new default wire, or its managed object id or name where those are unambiguous."""
    keep_old: bool = True
    """Pin the old default wire, so that records on it stay."""

"""Addresses that several may have: virtual IPs, anycast, CARP, VRRP. As commands, and what was decided."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from shared.events.base import Event, Timestamp
from shared.events.commands import AllocatorCommand
from shared.model.addresses import AddressText


class _AboutAddress(AllocatorCommand):
    address: AddressText
    scope: str = "default"

    def subject_of(self) -> str:
        return f"address/{self.address}"


class AddressShare(_AboutAddress):
    """Say that several ports may have an address: that is no conflict, and the address is nobody's alone."""

    TYPE: ClassVar[str] = "command.address.share"
    note: str | None = None


class AddressUnshare(_AboutAddress):
    """Take that back."""

    TYPE: ClassVar[str] = "command.address.unshare"


class _Sharing(Event):
    id: UUID
    """Of the decision; the same when the command is delivered again."""
    scope: str
    address: AddressText
    subnet: UUID | None = None
    """The subnet that contains it, if one does."""
    note: str | None = None
    by: str
    at: Timestamp

    def subject_of(self) -> str:
        return f"address/{self.address}"

    def subnet_of(self) -> UUID | None:
        return self.subnet


class AddressShared(_Sharing):
    """An operator declared an address shared: whoever is seen with it gets no record, and no conflict."""

    TYPE: ClassVar[str] = "address.shared"


class AddressUnshared(_Sharing):
    """An operator took that back: who is seen with the address claims it again."""

    TYPE: ClassVar[str] = "address.unshared"

"""Events about addresses that operators reserved, or bound to a MAC."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Event, Timestamp
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class _AboutRange(Event):
    scope: str
    first: AddressText
    last: AddressText
    """The last address of the range; a single address is first and last."""
    subnet: UUID | None = None
    """The subnet that contains all of them, if one does."""
    by: str = "unknown"

    def subject_of(self) -> str:
        return f"address/{self.first}"

    def subnet_of(self) -> UUID | None:
        return self.subnet


class AddressReserved(_AboutRange):
    """An operator keeps addresses out of use; if they were reserved before, with another note or end."""

    TYPE: ClassVar[str] = "address.reserved"
    note: str | None = None
    until: Timestamp | None = None


class AddressUnreserved(_AboutRange):
    """Reserved addresses may be used again."""

    TYPE: ClassVar[str] = "address.unreserved"
    why: Literal["released", "expired"]


class _AboutBinding(Event):
    scope: str
    address: AddressText
    mac: MacAddress
    subnet: UUID | None = None
    """The subnet that contains the address, if there is one."""
    note: str | None = None
    by: str = "unknown"

    def subject_of(self) -> str:
        return f"address/{self.address}"

    def subnet_of(self) -> UUID | None:
        return self.subnet


class AddressBound(_AboutBinding):
    """An operator keeps an address for the port with a MAC; nobody else gets it."""

    TYPE: ClassVar[str] = "address.bound"


class AddressUnbound(_AboutBinding):
    """An address is no longer kept for a MAC."""

    TYPE: ClassVar[str] = "address.unbound"

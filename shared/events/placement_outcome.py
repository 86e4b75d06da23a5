"""What becomes of a reservation: confirmed, verified, extended, cancelled, expired.

Each of them says what holds from then on, since when, and at whose word: with the answer, enough to have the
same reservation, host capacity and addresses again.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Part, Timestamp
from shared.events.placement_answer import AboutReservation, PlacedAddress
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class BoundPort(Part):
    """A reserved NIC, and the device of the VM that it became."""

    index: int
    device_key: int
    wire: UUID
    mac: MacAddress | None = None
    addresses: tuple[PlacedAddress, ...]


class VmCreateConfirmed(AboutReservation):
    """The VM exists; its NIC records follow. Order says which fact about the VM showed it."""

    TYPE: ClassVar[str] = "vm.create.confirmed"
    vcenter: UUID
    vm: UUID
    vm_moid: str
    vm_name: str
    recognised_by: Literal["annotation", "extra_config", "mac", "name", "command"]
    ports: tuple[BoundPort, ...]
    confirmed_at: Timestamp
    token: int | None = None
    """The reservation's fencing token by now: another one when it had expired before its VM came."""
    late: bool = False
    """It had expired: its addresses were free or at rest, and are taken again."""
    given_back: tuple[PlacedAddress, ...] = ()
    """Addresses of NICs that the VM does not have."""
    by: str | None = None
    """Who said so, where the VM was not recognised by itself."""

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VmCreateExtended(AboutReservation):
    """Somebody asked for more time. With a token the asker holds the reservation now, under a new one."""

    TYPE: ClassVar[str] = "vm.create.extended"
    expires_at: Timestamp
    token: int
    previous_token: int | None = None
    """The token that was handed in for the new one."""
    by: str | None = None
    """Who asked."""


class NicCheck(Part):
    """What a NIC's guest uses, beside what was reserved for it."""

    index: int
    reserved: tuple[AddressText, ...]
    seen: tuple[AddressText, ...]
    """Addresses on the port, as Tools tell them, without link-local ones."""


class _Checked(AboutReservation):
    vcenter: UUID
    vm: UUID
    vm_moid: str
    nics: tuple[NicCheck, ...]
    checked_at: Timestamp

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VmCreateVerified(_Checked):
    """Tools report every reserved address on its NIC: the VM is as it was answered."""

    TYPE: ClassVar[str] = "vm.create.verified"


class VmCreateDrifted(_Checked):
    """Tools report other addresses than reserved; both are named. Said again only when it changes."""

    TYPE: ClassVar[str] = "vm.create.drifted"


class VmCreateCancelled(AboutReservation):
    """Somebody took the request back; host and addresses are free again."""

    TYPE: ClassVar[str] = "vm.create.cancelled"
    note: str | None = None
    by: str | None = None
    """Who took it back."""


class RestingAddress(Part):
    """An address that cools down."""

    address: AddressText
    subnet: UUID
    until: Timestamp


class VmCreateExpired(AboutReservation):
    """Nobody confirmed in time; the host is free again, and so are the addresses once they have rested."""

    TYPE: ClassVar[str] = "vm.create.expired"
    expired_at: Timestamp
    """The end of its lease. It was acted upon at the event's time."""
    resting: tuple[RestingAddress, ...] = ()
    """Addresses that are given to nobody else yet, as its VM may be booting after all."""

"""What VMware Tools report of a guest's addresses, reduced to the VM's own devices."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Fact, Part
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class GuestAddress(Part):
    """One address a guest has on one device. `prefix` is None where Tools do not tell it."""

    address: AddressText
    prefix: Annotated[int, Field(ge=0, le=128)] | None = None
    origin: str | None = None
    """`manual`, `dhcp`, `linklayer` (EUI-64), `random` (temporary), `other`."""
    state: str | None = None
    """`preferred`, `deprecated`, `tentative`, `duplicate` …"""


class GuestPort(Part):
    """The addresses of one device of the VM, in canonical order."""

    key: int
    """Device key: joins `inventory.vm.changed`'s ports."""
    mac: MacAddress | None = None
    connected: bool
    addresses: tuple[GuestAddress, ...] = ()


class GuestRoute(Part):
    """A default gateway and the device it is reached through, where known."""

    gateway: AddressText
    key: int | None = None


class GuestStack(Part):
    """One IP stack of a guest that has several."""

    routes: tuple[GuestRoute, ...] = ()
    dns: tuple[AddressText, ...] = ()


class GuestAddressesChanged(Fact):
    """All a guest says of its addresses. Silent Tools give an event with no ports: they take nothing back."""

    TYPE: ClassVar[str] = "guest.addresses.changed"
    moid: str
    instance_uuid: UUID | None = None
    tools: Literal["running", "not_running", "executing_scripts", "unknown"]
    hostname: str | None = None
    ports: tuple[GuestPort, ...] = ()
    unplaced: AddressText | None = None
    """`guest.ipAddress` while no device names any address: a weaker source that tells no device."""
    routes: tuple[GuestRoute, ...] = ()
    dns: tuple[AddressText, ...] = ()
    stacks: tuple[GuestStack, ...] = ()
    """`routes` and `dns` of each IP stack, in the guest's order, where it has more than one; above, they are
    those of all stacks."""

    def subject_of(self) -> str:
        return f"vm/{self.moid}"

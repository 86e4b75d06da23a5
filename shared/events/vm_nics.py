"""Operators' decisions about a VM's ports: addresses stated for them, or taken back."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Part, Timestamp
from shared.events.commands import AllocatorCommand
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class VmUnfixNics(AllocatorCommand):
    """Take back what was stated for ports of a VM; what Tools report counts again."""

    TYPE: ClassVar[str] = "command.vm.unfix_nics"
    vm: str
    """Id, managed object id or name."""
    ports: tuple[str, ...] = ()
    """Device keys, MACs or labels; none: all ports for which something is stated."""

    def subject_of(self) -> str:
        return f"vm/{self.vm}"


class FixedAddress(Part):
    """An address that is fixed for a port, with the subnet it was found in."""

    address: AddressText
    prefix: Annotated[int, Field(ge=0, le=128)]
    scope: str
    subnet: UUID
    subnet_name: str


class FixedPort(Part):
    """All that is fixed for one port from now on; nothing if it is unfixed."""

    port: UUID
    nic: UUID
    device_key: int
    label: str
    mac: MacAddress | None = None
    wire: UUID | None = None
    wire_name: str | None = None
    addresses: tuple[FixedAddress, ...] = ()
    before: tuple[AddressText, ...] = ()
    """What was fixed for it until now."""


class _FixDecision(Event):
    id: UUID
    """Of the decision; the same when the command is delivered again."""
    vcenter: UUID
    vm: UUID
    vm_moid: str
    vm_name: str
    by: str
    at: Timestamp
    ports: Annotated[tuple[FixedPort, ...], Field(min_length=1)]

    def subject_of(self) -> str:
        return f"vm/{self.vm_moid}"

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VmNicsFixed(_FixDecision):
    """An operator stated the addresses of ports: they hold against whatever is observed."""

    TYPE: ClassVar[str] = "vm.nics.fixed"


class VmNicsUnfixed(_FixDecision):
    """An operator took back what was stated for ports: what is observed counts again."""

    TYPE: ClassVar[str] = "vm.nics.unfixed"

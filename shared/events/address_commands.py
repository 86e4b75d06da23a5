"""What operators ask for about single addresses: reserve and release, bind to a MAC and unbind."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from shared.events.base import Timestamp
from shared.events.commands import AllocatorCommand
from shared.events.subnet import AddressRange
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class _AboutRanges(AllocatorCommand):
    scope: str = "default"
    ranges: Annotated[tuple[AddressRange, ...], Field(min_length=1)]
    """Single addresses are ranges, too. All or nothing."""

    def subject_of(self) -> str:
        return f"address/{self.ranges[0].first}"


class AddressReserve(_AboutRanges):
    """Keep addresses out of use."""

    TYPE: ClassVar[str] = "command.address.reserve"
    note: str | None = None
    until: Timestamp | None = None
    """They are released by themselves then. None: when somebody says so."""


class AddressRelease(_AboutRanges):
    """Give reserved addresses back."""

    TYPE: ClassVar[str] = "command.address.release"


class _AboutAddress(AllocatorCommand):
    scope: str = "default"
    address: AddressText

    def subject_of(self) -> str:
        return f"address/{self.address}"


class AddressBind(_AboutAddress):
    """Keep an address for the port with a MAC."""

    TYPE: ClassVar[str] = "command.address.bind"
    mac: MacAddress
    note: str | None = None


class AddressUnbind(_AboutAddress):
    """Undo a binding; who has the address keeps it."""

    TYPE: ClassVar[str] = "command.address.unbind"

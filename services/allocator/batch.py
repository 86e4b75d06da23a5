"""What one batch of facts touches, and on what occasion: the input of settling."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.allocator.domain.matching import SubnetView
from shared.events.base import Event
from shared.events.envelope import Envelope


class Glimpse(NamedTuple):
    """An address newly seen on a wire, or no more: what may be evidence."""

    vcenter: UUID
    wire: UUID
    address: str
    first_seen: datetime
    ended_at: datetime | None = None
    anew: bool = False
    """What was known of it has changed: all that was concluded from it is to be weighed anew."""


@dataclass(slots=True)
class Dirty:
    """What has to be looked at again: addresses, ports and VMs with all they have, and new evidence.

    `vcenters`: all evidence on their wires, as time has passed there, or they are in another scope.
    """

    addresses: set[str] = field(default_factory=set)
    ports: set[UUID] = field(default_factory=set)
    vms: set[UUID] = field(default_factory=set)
    glimpses: set[Glimpse] = field(default_factory=set)
    vcenters: set[UUID] = field(default_factory=set)
    twins: set[UUID] = field(default_factory=set)
    """VMs whose instance UUID may be another VM's, too."""
    macs: set[str] = field(default_factory=set)
    """MACs that ports got, lost, or have in another state."""
    former: dict[UUID, SubnetView] = field(default_factory=dict)
    """Subnets that this transaction changed or ended, as they were: what records tell of their past."""

    def add(self, other: Dirty) -> None:
        """Take in what `other` holds."""
        self.addresses |= other.addresses
        self.ports |= other.ports
        self.vms |= other.vms
        self.glimpses |= other.glimpses
        self.former |= other.former
        self.vcenters |= other.vcenters
        self.twins |= other.twins
        self.macs |= other.macs

    def __bool__(self) -> bool:
        return bool(
            self.addresses
            or self.ports
            or self.vms
            or self.glimpses
            or self.vcenters
            or self.twins
            or self.macs
        )


class Occasion:
    """The events that led to a transaction. Each VM has its own latest one; all else the latest of all."""

    def __init__(self, envelopes: Iterable[Envelope[Event]]) -> None:
        self._envelopes = list(envelopes)
        self._latest: Envelope[Event] | None = None
        self._of_vm: dict[UUID, Envelope[Event]] = {}

    def led_to(self, vm: UUID, envelope: Envelope[Event]) -> None:
        """`envelope` is about `vm`."""
        known = self._of_vm.get(vm)
        if known is None or known.time <= envelope.time:
            self._of_vm[vm] = envelope

    def vms(self) -> Collection[UUID]:
        """The VMs that events are about."""
        return self._of_vm.keys()

    def cause(self, vm: UUID | None = None) -> Envelope[Event]:
        """The event that led to what happens to `vm`, or to what happens at all."""
        if vm is not None and vm in self._of_vm:
            return self._of_vm[vm]
        if self._latest is None:
            self._latest = max(self._envelopes, key=lambda e: e.time)
        return self._latest

    def at(self, vm: UUID | None = None) -> datetime:
        """When that was observed."""
        return self.cause(vm).time

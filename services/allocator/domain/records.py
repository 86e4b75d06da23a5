"""NIC records: put together per port, and compared with what was stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.allocator.domain.claims import Outcome, Recorded
from shared.events.nic import NicSource

Reason = Literal["vm_removed", "port_removed", "address_gone", "subnet_deleted", "unfixed"]


@dataclass(frozen=True, slots=True)
class PortView:
    """A VM's device where the VM lives, with the names people know it by."""

    id: UUID
    nic: UUID
    vm: UUID
    vcenter: UUID
    vm_moid: str
    vm_name: str
    device_key: int
    label: str
    mac: str | None
    wire: UUID
    connected: bool = True
    detached_at: datetime | None = None
    """The VM has it no more since then; its record is kept for a while."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One address of a record."""

    scope: UUID
    subnet: UUID
    source: NicSource
    since: datetime


@dataclass(frozen=True, slots=True)
class NicRecord:
    """A port bound to its addresses (by text); never without one."""

    port: PortView
    addresses: Mapping[str, Bound]


@dataclass(slots=True)
class Changes:
    """What is to happen to records. `released` come with their last state."""

    created: list[NicRecord] = field(default_factory=list)
    updated: list[tuple[NicRecord, NicRecord]] = field(default_factory=list)
    released: list[tuple[NicRecord, Reason]] = field(default_factory=list)
    touched: list[tuple[NicRecord, NicRecord]] = field(default_factory=list)
    """Differ in nothing that an event tells: only in since when."""


def assemble(
    port: PortView | None,
    before: NicRecord | None,
    decided: set[str],
    outcomes: Mapping[str, Outcome],
) -> NicRecord | None:
    """The record of a port, when the addresses `decided` were looked at and `outcomes` came of it.

    Addresses that were not looked at stay. None when no address is left, or the port is gone.
    """
    if port is None:
        return None
    kept = {} if before is None else {a: b for a, b in before.addresses.items() if a not in decided}
    for address, outcome in outcomes.items():
        if isinstance(outcome, Recorded):
            subnet = outcome.subnet
            kept[address] = Bound(subnet.scope, subnet.id, outcome.source, outcome.since)
    return NicRecord(port, kept) if kept else None


def compare(
    before: NicRecord | None, after: NicRecord | None, changes: Changes, *, vm_alive: bool, port_alive: bool
) -> None:
    """Add to `changes` what leads from `before` to `after`."""
    if before is None:
        if after is not None:
            changes.created.append(after)
    elif after is None:
        changes.released.append((before, _reason(before, vm_alive, port_alive)))
    elif not _tell_the_same(before, after):
        changes.updated.append((before, after))
    elif before != after:
        changes.touched.append((before, after))


def _reason(before: NicRecord, vm_alive: bool, port_alive: bool) -> Reason:
    if not vm_alive:
        return "vm_removed"
    if not port_alive:
        return "port_removed"
    return "unfixed" if {b.source for b in before.addresses.values()} == {"fixed"} else "address_gone"


def _tell_the_same(before: NicRecord, after: NicRecord) -> bool:
    """Whether the two differ in nothing that an event tells: all but since when."""
    if before.port != after.port or before.addresses.keys() != after.addresses.keys():
        return False
    for address, old in before.addresses.items():
        new = after.addresses[address]
        if (old.scope, old.subnet, old.source) != (new.scope, new.subnet, new.source):
            return False
    return True

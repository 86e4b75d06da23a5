"""VMs as rows: read for the facts of a batch, brought up to date by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.allocator.domain.newest import Standing, Told, newest
from services.allocator.objects import Key
from services.allocator.tables import VM, VM_STANDING
from shared.events.inventory import VmChanged
from shared.model.identifiers import vm_id
from shared.model.ordering import BEFORE_ALL, Order
from shared.store.pool import Connection

VM_COLUMNS = (
    "v.epoch, v.sequence, v.observed_at, v.told_epoch, v.told_sequence, v.removed, v.appeared_at, "
    "v.gone_epoch, v.gone_sequence, v.gone_at, v.vm_id, v.name, v.shadow"
)
"""What `vm_of` is told of `inventory.vm v`."""


class VmAt(NamedTuple):
    """A VM at one place, with the newest that is known about it there."""

    key: Key
    standing: Standing[VmChanged] = Standing()
    appeared_at: datetime | None = None
    gone: Order = BEFORE_ALL
    gone_at: datetime | None = None
    vm: UUID | None = None
    name: str | None = None
    shadow: bool = False

    def row(self) -> tuple[Any, ...]:
        """The values of `VM_STANDING`, and with a new description those of `VM`."""
        s, d = self.standing, self.standing.description
        row = (
            *self.key, *s.order, *s.told, s.at, s.removed, self.appeared_at, *self.gone, self.gone_at,
        )  # fmt: skip
        if d is None:
            return row
        return (
            *row, self.vm, self.shadow, d.name, d.host, d.power, d.template, d.cpus, d.memory_mb,
            d.reservation, d.extra_config_reservation, d.model_dump_json(),
        )  # fmt: skip


def learn(vm: VmAt, facts: Sequence[Told[VmChanged]]) -> VmAt:
    """`vm` with `facts` about it taken in."""
    if not facts:
        return vm
    after = newest(vm.standing, facts)
    seen = [f.at for f in facts if f.description is not None]
    gone, gone_at = max(
        [(vm.gone, vm.gone_at)] + [(f.order, f.at) for f in facts if f.description is None],
        key=lambda pair: pair[0],
    )
    if vm.appeared_at is not None:
        seen.append(vm.appeared_at)
    identity, name, shadow = vm.vm, vm.name, vm.shadow
    d = after.description
    if d is not None:
        identity, name = vm_id(d.vcenter, d.moid, d.instance_uuid), d.name
        shadow = d.placeholder or d.fault_tolerance_secondary
    return VmAt(vm.key, after, min(seen, default=None), gone, gone_at, identity, name, shadow)


async def write_vms(conn: Connection, vms: Iterable[VmAt]) -> None:
    """Store what holds about VMs."""
    rows = [(vm.standing.description is None, vm.row()) for vm in vms]
    await VM.upsert(conn, [row for late, row in rows if not late])
    await VM_STANDING.upsert(conn, [row for late, row in rows if late])


def vm_of(key: Key, values: Sequence[Any]) -> VmAt:
    """The VM at `key`, of the values of `VM_COLUMNS`."""
    epoch, sequence, at, told_epoch, told_sequence, removed, appeared_at, *gone, gone_at, vm, name, shadow = (
        values
    )
    standing: Standing[VmChanged] = Standing(
        Order(epoch, sequence), at, Order(told_epoch, told_sequence), removed
    )
    return VmAt(key, standing, appeared_at, Order(*gone), gone_at, vm, name, shadow)

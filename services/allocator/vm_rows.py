"""VMs as rows: read for the facts of a batch, brought up to date by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import UNKNOWN_WIRE
from services.allocator.domain.identity import Place
from services.allocator.domain.newest import Standing, Told, newest
from services.allocator.domain.records import PortView
from services.allocator.objects import Key, standing_of
from services.allocator.tables import PORT, VM
from shared.events.inventory import VmChanged
from shared.model.identifiers import nic_id, port_id, vm_id, wire_id
from shared.model.ordering import BEFORE_ALL, Order
from shared.store.pool import Connection

_DESCRIBED = list(VM.columns)[list(VM.columns).index("vm_id") :]


@dataclass(frozen=True, slots=True)
class VmAt:
    """A VM at one place, with the newest that is known about it there."""

    key: Key
    standing: Standing[VmChanged] = Standing()  # noqa: RUF009  immutable
    appeared_at: datetime | None = None
    gone: Order = BEFORE_ALL
    gone_at: datetime | None = None
    vm: UUID | None = None
    name: str | None = None
    shadow: bool = False
    stored: Record | None = None

    @property
    def place(self) -> Place:
        """What deciding where the VM lives needs."""
        return Place(
            self.key[0], self.key[1], self.standing.removed, self.shadow, self.appeared_at, self.gone_at
        )

    def row(self) -> tuple[Any, ...]:
        """The values of the row."""
        s = self.standing
        head = (
            *self.key, *s.order, *s.told, s.at, s.removed,
            self.appeared_at, *self.gone, self.gone_at,
        )  # fmt: skip
        d = s.description
        if d is None:
            return head + _stored(self.stored)
        return (
            *head, self.vm, self.shadow, d.name, d.host, d.power, d.template, d.cpus, d.memory_mb,
            d.reservation, d.model_dump_json(),
        )  # fmt: skip

    def ports(self) -> list[PortView]:
        """The devices that the newest description lists; read from the stored one when no newer was heard."""
        d = self.standing.description
        if d is None and self.stored is not None and self.stored["state"] is not None:
            d = VmChanged.model_validate(self.stored["state"])
        if d is None or self.vm is None:
            return []
        return [
            PortView(
                id=port_id(self.vm, port.key),
                nic=nic_id(self.vm, port.key),
                vm=self.vm,
                vcenter=self.key[0],
                vm_moid=self.key[1],
                vm_name=d.name,
                device_key=port.key,
                label=port.label,
                mac=port.mac,
                wire=UNKNOWN_WIRE if port.network is None else wire_id(self.key[0], port.network),
                connected=port.connected,
            )
            for port in d.ports
        ]


def learn(vm: VmAt, facts: Sequence[Told[VmChanged]]) -> VmAt:
    """`vm` with `facts` about it taken in."""
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
    return replace(
        vm,
        standing=after,
        appeared_at=min(seen, default=None),
        gone=gone,
        gone_at=gone_at,
        vm=identity,
        name=name,
        shadow=shadow,
    )


async def read_places(conn: Connection, keys: Iterable[Key]) -> dict[Key, VmAt]:
    """The VMs at these places; those not known yet with nothing known."""
    asked = list(keys)
    rows = await conn.fetch(
        "SELECT v.* FROM inventory.vm v "
        "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)",
        [key[0] for key in asked],
        [key[1] for key in asked],
    )
    return {key: VmAt(key) for key in asked} | {vm.key: vm for vm in map(_from_row, rows)}


async def read_same_vms(conn: Connection, vms: Iterable[UUID]) -> dict[Key, VmAt]:
    """Every place at which these VMs are, or were."""
    rows = await conn.fetch("SELECT v.* FROM inventory.vm v WHERE vm_id = ANY ($1::uuid[])", list(vms))
    return {vm.key: vm for vm in map(_from_row, rows)}


async def read_ports(conn: Connection, vms: Iterable[UUID]) -> dict[UUID, Record]:
    """The stored ports of these VMs, by id."""
    rows = await conn.fetch("SELECT * FROM inventory.port WHERE vm_id = ANY ($1::uuid[])", list(vms))
    return {row["id"]: row for row in rows}


async def write_ports(
    conn: Connection, before: Mapping[UUID, Record], after: Iterable[PortView]
) -> set[UUID]:
    """Bring the stored ports up to date, and return the ids of those that differ."""
    rows = {p.id: _port_row(p) for p in after}
    changed = {i: row for i, row in rows.items() if i not in before or row != tuple(before[i].values())}
    gone = before.keys() - rows.keys()
    await PORT.delete(conn, [(i,) for i in gone])
    await PORT.upsert(conn, changed.values())
    return changed.keys() | gone


def _port_row(p: PortView) -> tuple[Any, ...]:
    return (
        p.id, p.vcenter, p.vm_moid, p.vm, p.device_key, p.label, p.mac,
        None if p.wire == UNKNOWN_WIRE else p.wire, p.connected,
    )  # fmt: skip


def _from_row(row: Record) -> VmAt:
    return VmAt(
        key=(row["vcenter_id"], row["moid"]),
        standing=standing_of(row),
        appeared_at=row["appeared_at"],
        gone=Order(row["gone_epoch"], row["gone_sequence"]),
        gone_at=row["gone_at"],
        vm=row["vm_id"],
        name=row["name"],
        shadow=row["shadow"],
        stored=row,
    )


def _stored(row: Record | None) -> tuple[Any, ...]:
    if row is None:
        return tuple(False if VM.columns[name] == "boolean" else None for name in _DESCRIBED)
    values = {name: row[name] for name in _DESCRIBED}
    if values["state"] is not None:
        values["state"] = json.dumps(values["state"])
    return tuple(values.values())

"""VMs as rows: read for the facts of a batch, brought up to date by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import UNKNOWN_WIRE, Track
from services.allocator.domain.identity import Place
from services.allocator.domain.newest import Standing, Told, newest
from services.allocator.domain.records import PortView
from services.allocator.objects import Key, standing_of
from services.allocator.tables import PORT, VM, VM_STANDING
from shared.events.inventory import VmChanged
from shared.model.identifiers import nic_id, port_id, vm_id, wire_id
from shared.model.ordering import BEFORE_ALL, Order
from shared.store.pool import Connection

_READ = (
    "v.vcenter_id, v.moid, v.epoch, v.sequence, v.told_epoch, v.told_sequence, v.observed_at, v.removed, "
    "v.appeared_at, v.gone_epoch, v.gone_sequence, v.gone_at, v.vm_id, v.name, v.shadow"
)


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

    @property
    def place(self) -> Place:
        """What deciding where the VM lives needs."""
        return Place(
            self.key[0], self.key[1], self.standing.removed, self.shadow, self.appeared_at, self.gone_at
        )

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


def ports_of(vm: VmAt, description: VmChanged | None) -> list[PortView]:
    """The devices that `description` of `vm` lists."""
    if description is None or vm.vm is None:
        return []
    return [
        PortView(
            id=port_id(vm.vm, port.key),
            nic=nic_id(vm.vm, port.key),
            vm=vm.vm,
            vcenter=vm.key[0],
            vm_moid=vm.key[1],
            vm_name=description.name,
            device_key=port.key,
            label=port.label,
            mac=port.mac,
            wire=UNKNOWN_WIRE if port.network is None else wire_id(vm.key[0], port.network),
            connected=port.connected,
        )
        for port in description.ports
    ]


def kept_ports(vm: VmAt, place: Place, track: Track) -> list[PortView]:
    """The devices that `vm` has no more, and that their records are still kept for."""
    if vm.vm is None:
        return []
    return [
        PortView(
            id=port_id(vm.vm, key),
            nic=nic_id(vm.vm, key),
            vm=vm.vm,
            vcenter=vm.key[0],
            vm_moid=vm.key[1],
            vm_name=vm.name or vm.key[1],
            device_key=key,
            label=device.label or f"device {key}",
            mac=device.mac,
            wire=device.wire,
            connected=False,
            detached_at=device.at,
        )
        for key, device in track.detached.items()
        if key in place.kept
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
        f"SELECT {_READ} FROM inventory.vm v "  # noqa: S608
        "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)",
        [key[0] for key in asked],
        [key[1] for key in asked],
    )
    return {key: VmAt(key) for key in asked} | {vm.key: vm for vm in map(_from_row, rows)}


async def read_same_vms(conn: Connection, vms: Iterable[UUID], known: Iterable[Key]) -> dict[Key, VmAt]:
    """Every place at which these VMs are, or were, besides those `known`."""
    at = list(known)
    rows = await conn.fetch(
        f"SELECT {_READ} FROM inventory.vm v WHERE vm_id = ANY ($1::uuid[]) AND (vcenter_id, moid) "  # noqa: S608
        "NOT IN (SELECT * FROM unnest($2::uuid[], $3::text[]))",
        list(vms),
        [key[0] for key in at],
        [key[1] for key in at],
    )
    return {vm.key: vm for vm in map(_from_row, rows)}


async def write_vms(conn: Connection, vms: Iterable[VmAt]) -> None:
    """Store what holds about VMs."""
    rows = [(vm.standing.description is None, vm.row()) for vm in vms]
    await VM.upsert(conn, [row for late, row in rows if not late])
    await VM_STANDING.upsert(conn, [row for late, row in rows if late])


async def read_described_ports(conn: Connection, vms: Iterable[VmAt]) -> list[PortView]:
    """The devices of VMs by their newest description, read where it is not at hand."""
    at = {vm.key: vm for vm in vms}
    stored = [key for key, vm in at.items() if vm.standing.description is None]
    told = {key: vm.standing.description for key, vm in at.items()}
    if stored:
        rows = await conn.fetch(
            "SELECT v.vcenter_id, v.moid, v.state FROM inventory.vm v "
            "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid) "
            "WHERE v.state IS NOT NULL",
            [key[0] for key in stored],
            [key[1] for key in stored],
        )
        told |= {(r["vcenter_id"], r["moid"]): VmChanged.model_validate(r["state"]) for r in rows}
    return [port for key, vm in at.items() for port in ports_of(vm, told[key])]


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
        None if p.wire == UNKNOWN_WIRE else p.wire, p.connected, p.detached_at,
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
    )

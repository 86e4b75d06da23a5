"""A VM's network devices as rows: what its description lists, and what is kept of those it has no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import UNKNOWN_WIRE, Track
from services.allocator.domain.identity import Place
from services.allocator.domain.records import PortView
from services.allocator.tables import PORT
from services.allocator.vm_rows import VmAt
from shared.events.inventory import VmChanged
from shared.model.identifiers import nic_id, port_id, wire_id
from shared.store.pool import Connection


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

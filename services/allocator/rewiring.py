"""Ports brought up to date, of VMs that a fact about their hardware came for, or whose time is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from services.allocator.batch import Dirty
from services.allocator.domain.identity import Place, home_of
from services.allocator.domain.records import PortView
from services.allocator.dossiers import Dossier
from services.allocator.lingering import Grace
from services.allocator.objects import Key
from services.allocator.port_rows import kept_ports, read_described_ports, read_ports, write_ports
from shared.store.pool import Connection


async def rewire(
    conn: Connection,
    dossiers: Mapping[Key, Dossier],
    now: Mapping[Key, Place],
    due: Collection[Key],
    grace: Grace,
) -> Dirty:
    """Write the ports that VMs have now, and tell what that touches.

    `now` is where the VMs are; `due` are places where something lingers no longer, or has gone at another
    time than was known.
    """
    heard = [d for key, d in dossiers.items() if d.vm is not d.vm_before or key in due]
    vms = {vm for d in heard for vm in (d.vm_before.vm, d.vm.vm) if vm is not None}
    if not vms:
        return Dirty()
    dirty = Dirty(twins=set(vms))
    homes, dirty.vms = _homes(dossiers, now, vms, grace)
    ports = await read_described_ports(conn, [home.vm for home in homes])
    ports += [port for home in homes for port in kept_ports(home.vm, now[home.key], home.track)]
    known = await read_ports(conn, vms)
    dirty.macs |= {row["mac"] for row in known.values() if row["mac"] is not None}
    dirty.macs |= {port.mac for port in ports if port.mac is not None}
    dirty.ports |= await write_ports(conn, known, ports)
    dirty.vms |= await _with_statements(conn, vms, ports)
    for d in heard:
        old, new = d.vm_before, d.vm
        # What people said about a VM may count, or be void, once it came, went, or took another identity;
        # and its records carry its name.
        if d.key in due or (old.standing.removed, old.gone_at, old.vm, old.name) != (
            new.standing.removed,
            new.gone_at,
            new.vm,
            new.name,
        ):
            dirty.vms |= {identity for identity in (old.vm, new.vm) if identity is not None}
    return dirty


def _homes(
    dossiers: Mapping[Key, Dossier], now: Mapping[Key, Place], vms: Collection[UUID], grace: Grace
) -> tuple[list[Dossier], set[UUID]]:
    """Where these VMs live, and those of them that lived elsewhere before."""
    at: dict[UUID, list[Place]] = {}
    came_from: dict[UUID, list[Place]] = {}
    for key, d in dossiers.items():
        if d.vm.vm is not None:
            at.setdefault(d.vm.vm, []).append(now[key])
        if d.vm_before.vm is not None and d.vm_before.vm in vms:
            came_from.setdefault(d.vm_before.vm, []).append(grace.place_of(d.vm_before, d.track_before))
    homes: list[Dossier] = []
    moved: set[UUID] = set()
    for vm in vms:
        home = home_of(at.get(vm, ()))
        if home is not None:
            homes.append(dossiers[home.key])
        old_home = home_of(came_from.get(vm, ()))
        if (home and home.key) != (old_home and old_home.key):
            moved.add(vm)
    return homes, moved


async def _with_statements(conn: Connection, vms: Collection[UUID], ports: Collection[PortView]) -> set[UUID]:
    """Those of whose ports, other than `ports`, people said something.

    That waits for a port that is not there, or has lost it: a fact may tell which.
    """
    rows = await conn.fetch(
        "SELECT DISTINCT vm_id FROM inventory.statement "
        "WHERE vm_id = ANY ($1::uuid[]) AND NOT port_id = ANY ($2::uuid[])",
        list(vms),
        [p.id for p in ports],
    )
    return {row["vm_id"] for row in rows}

"""Conflicts that opened and ended, as events with both parties by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.conflict_rows import PORTS, Conflict, DisputeChanges
from services.allocator.domain.reports import UNPLACED
from shared.events.address import ConflictOpened, ConflictResolved, Party
from shared.ipam.scopes import list_scopes
from shared.model.identifiers import derive, nic_id
from shared.store.pool import Connection


async def tell_conflicts(
    conn: Connection, out: Announcements, changes: DisputeChanges, occasion: Occasion
) -> None:
    """Announce conflicts that opened and ended."""
    if not (changes.opened or changes.resolved):
        return
    conflicts = [*changes.opened, *(c for c, _ in changes.resolved)]
    parties = await read_sides(conn, conflicts)
    scopes = await list_scopes(conn)
    for conflict in changes.opened:
        event = ConflictOpened(**_about(conflict, parties, scopes))
        out.add(event, conflict.id, cause=occasion.cause())
    for conflict, outcome in changes.resolved:
        ended = ConflictResolved(**_about(conflict, parties, scopes), outcome=outcome)
        out.add(ended, conflict.id, cause=occasion.cause())


async def read_sides(conn: Connection, conflicts: Iterable[Conflict]) -> dict[tuple[UUID, UUID], Party]:
    """Both parties of each conflict, by the conflict's id and their own."""
    conflicts = list(conflicts)
    ports = await _read_ports(conn, {i for c in conflicts for i in (c.holder, c.claimant)})
    subnets = await _read_subnets(conn, {c.holder for c in conflicts if c.kind == "gateway"})
    places = await _read_places(conn, {c.vm for c in conflicts if c.vm is not None})
    notes = await _read_notes(conn, [c for c in conflicts if c.kind in ("reserved", "bound")])
    sides: dict[tuple[UUID, UUID], Party] = {}
    for c in conflicts:
        if c.kind == "instance_uuid":
            for side in (c.holder, c.claimant):
                sides[c.id, side] = places.get(side, Party(kind="vm", id=side, vm=c.vm))
            continue
        as_claimant = "port" if c.kind == "mac" else "sighting"
        sides[c.id, c.claimant] = _port(ports, c.claimant, as_claimant)
        if c.holder in ports or (c.kind in PORTS and c.kind != "bound"):
            sides[c.id, c.holder] = _port(ports, c.holder, "port" if c.kind == "mac" else "nic")
        elif c.kind == "gateway":
            sides[c.id, c.holder] = Party(kind="gateway", id=c.holder, name=subnets.get(c.holder))
        else:
            kind: Any = "reservation" if c.kind == "reservation" else "reserved"
            sides[c.id, c.holder] = Party(kind=kind, id=c.holder, name=notes.get(c.id))
    return sides


def _about(
    conflict: Conflict, parties: dict[tuple[UUID, UUID], Party], scopes: dict[UUID, str]
) -> dict[str, Any]:
    return {
        "id": conflict.id,
        "kind": conflict.kind,
        "scope": None if conflict.scope is None else scopes[conflict.scope],
        "address": conflict.address,
        "mac": conflict.mac,
        "instance_uuid": conflict.vm,
        "since": conflict.opened_at,
        "holder": parties[conflict.id, conflict.holder],
        "claimant": parties[conflict.id, conflict.claimant],
    }


def _port(ports: dict[UUID, dict[str, Any]], port: UUID, kind: Any) -> Party:
    known = ports.get(port)
    if known is None:
        return Party(kind="sighting" if kind == "nic" else kind, id=port, port=port)
    identity = nic_id(known["vm"], known["device_key"]) if kind == "nic" else port
    return Party(
        kind=kind,
        id=identity,
        port=port if known["device_key"] != UNPLACED else None,
        vcenter=known["vcenter"],
        vm=known["vm"],
        vm_name=known["vm_name"],
        vm_moid=known["vm_moid"],
        mac=known["mac"],
    )


async def _read_ports(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Ports that are there, and those that are not any more as far as sightings remember them."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (o.port) o.port, o.vcenter_id AS vcenter, o.vm_id AS vm, o.device_key, o.mac,
               coalesce(v.name, o.moid) AS vm_name, o.moid AS vm_moid
        FROM (
            SELECT id AS port, vcenter_id, vm_moid AS moid, vm_id, device_key, mac, 0 AS age
            FROM inventory.port WHERE id = ANY ($1::uuid[])
            UNION ALL
            SELECT port_id, vcenter_id, moid, vm_id, device_key, NULL, CASE WHEN live THEN 1 ELSE 2 END
            FROM inventory.sighting WHERE port_id = ANY ($1::uuid[])
        ) o
        JOIN inventory.vm v ON v.vcenter_id = o.vcenter_id AND v.moid = o.moid
        ORDER BY o.port, o.age, v.removed, v.appeared_at DESC, v.vcenter_id, v.moid
        """,
        list(ids),
    )
    return {row["port"]: dict(row) for row in rows}


async def _read_subnets(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, str]:
    asked = list(ids)
    if not asked:
        return {}
    rows = await conn.fetch("SELECT id, name FROM ipam.subnet WHERE id = ANY ($1::uuid[])", asked)
    return {row["id"]: row["name"] for row in rows}


async def _read_places(conn: Connection, vms: Iterable[UUID]) -> dict[UUID, Party]:
    asked = list(vms)
    if not asked:
        return {}
    rows = await conn.fetch(
        "SELECT vcenter_id, moid, vm_id, coalesce(name, moid) AS name FROM inventory.vm "
        "WHERE vm_id = ANY ($1::uuid[])",
        asked,
    )
    found = {}
    for row in rows:
        identity = place_id(row["vcenter_id"], row["moid"])
        found[identity] = Party(
            kind="vm", id=identity, vcenter=row["vcenter_id"], vm=row["vm_id"], vm_moid=row["moid"],
            vm_name=row["name"],
        )  # fmt: skip
    return found


async def _read_notes(conn: Connection, conflicts: list[Conflict]) -> dict[UUID, str]:
    if not conflicts:
        return {}
    rows = await conn.fetch(
        """
        SELECT k.id, r.note FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (id, scope, address)
        JOIN ipam.reserved_address r ON r.scope_id = k.scope AND r.address = k.address::inet
        WHERE r.note IS NOT NULL
        """,
        [c.id for c in conflicts],
        [c.scope for c in conflicts],
        [c.address for c in conflicts],
    )
    return {row["id"]: row["note"] for row in rows}


def place_id(vcenter: UUID, moid: str) -> UUID:
    """What stands for a VM as one vCenter knows it."""
    return derive("place", vcenter, moid)

"""Ports that have the same MAC in one scope, and VMs with the same instance UUID, while they are on."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from asyncpg import Record

from services.allocator.batch import Dirty
from services.allocator.conflict_rows import (
    Conflict,
    DisputeChanges,
    about_duplicate,
    conflict_from,
    write,
)
from services.allocator.domain.duplicates import Twin, between
from services.allocator.telling_conflicts import place_id
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection

_ON = "NOT v.removed AND NOT v.shadow AND NOT v.template AND v.power = 'on' AND v.appeared_at IS NOT NULL"


async def settle_duplicates(conn: Connection, dirty: Dirty) -> DisputeChanges:
    """Open and end conflicts about the MACs and the VMs that facts came for."""
    if not (dirty.macs or dirty.twins):
        return DisputeChanges()
    rows = await conn.fetch(
        """
        SELECT *, NULL AS text FROM inventory.conflict
        WHERE kind = 'mac' AND mac = ANY ($1::text[]::macaddr[])
        UNION ALL
        SELECT *, NULL FROM inventory.conflict WHERE kind = 'instance_uuid' AND vm_id = ANY ($2::uuid[])
        """,
        list(dirty.macs),
        list(dirty.twins),
    )
    before = list(map(conflict_from, rows))
    after = [*await _same_mac(conn, dirty.macs), *await _same_uuid(conn, dirty.twins)]
    ended = {c.id: _how_it_ended(c) for c in before}
    return await write(conn, before, after, ended)


def _how_it_ended(conflict: Conflict) -> str:
    what = "MAC" if conflict.kind == "mac" else "instance UUID"
    return f"one of the two was turned off or removed, or has another {what}"


async def _same_mac(conn: Connection, macs: Iterable[str]) -> list[Conflict]:
    rows = await conn.fetch(
        f"""
        SELECT p.mac, coalesce(c.scope_id, $2) AS scope, p.id, v.appeared_at
        FROM inventory.port p
        JOIN inventory.vm v ON v.vcenter_id = p.vcenter_id AND v.moid = p.vm_moid
        LEFT JOIN inventory.vcenter c ON c.id = p.vcenter_id
        WHERE p.mac = ANY ($1::text[]::macaddr[]) AND p.detached_at IS NULL AND {_ON}
        """,  # noqa: S608  our own condition
        list(macs),
        scope_id(DEFAULT_SCOPE_NAME),
    )
    twins: dict[tuple[UUID, str], list[Twin]] = {}
    for row in rows:
        twins.setdefault((row["scope"], row["mac"]), []).append(Twin(row["id"], row["appeared_at"]))
    return [
        about_duplicate(dispute, scope=scope, mac=mac, vm=None)
        for (scope, mac), found in twins.items()
        for dispute in between(found, "mac")
    ]


async def _same_uuid(conn: Connection, vms: Iterable[UUID]) -> list[Conflict]:
    rows = await conn.fetch(
        f"""
        SELECT v.vm_id, v.vcenter_id, v.moid, v.appeared_at,
               greatest(v.observed_at, g.observed_at) AS heard_at
        FROM inventory.vm v
        LEFT JOIN inventory.guest g ON g.vcenter_id = v.vcenter_id AND g.moid = v.moid
        WHERE v.vm_id = ANY ($1::uuid[]) AND {_ON}
        """,  # noqa: S608  our own condition
        list(vms),
    )
    places: dict[UUID, list[Record]] = {}
    for row in rows:
        places.setdefault(row["vm_id"], []).append(row)
    return [
        about_duplicate(dispute, scope=None, mac=None, vm=vm)
        for vm, found in places.items()
        for dispute in between(_both_alive(found), "instance_uuid")
    ]


def _both_alive(places: list[Record]) -> list[Twin]:
    """Those that were heard of after the last of them had appeared.

    A VM that moves between vCenters is at both for a moment, but its old place has nothing more to tell.
    """
    last = max(row["appeared_at"] for row in places)
    return [
        Twin(place_id(row["vcenter_id"], row["moid"]), row["appeared_at"])
        for row in places
        if row["heard_at"] >= last
    ]

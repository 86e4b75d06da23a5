"""What the allocator knows, as rows for lists: read-only, for the command line and whoever else asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.allocator.finding import find_subnet, find_wire
from services.allocator.offers import read_offers
from services.allocator.wire_names import FormerName, former_names
from shared.events.subnet import SubnetFacts
from shared.ipam.subnets import list_subnets as read_subnets
from shared.ipam.subnets import utilisation
from shared.ipam.use import Use
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class VcenterRow:
    """A vCenter, and up to when what it says is known: `current_to`, None before its first snapshot."""

    id: UUID
    name: str
    scope: str
    state: str
    detail: str | None
    epoch: int
    snapshot_epoch: int | None
    current_to: datetime | None
    lag_seconds: float | None
    hosts: int
    wires: int
    vms: int


@dataclass(frozen=True, slots=True)
class WireRole:
    """What a wire is to a subnet: default, mapped, detected, pinned or denied."""

    subnet: UUID
    subnet_name: str
    prefix: str
    wire: UUID
    wire_name: str
    role: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class WireOffer:
    """A wire whose port group is gone, and the subnets that still name it."""

    wire: UUID
    network: str
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WireRow:
    """A wire with what is on it. `vlan` is as in `inventory.portgroup.changed`."""

    id: UUID
    vcenter: UUID
    vcenter_name: str
    network: str
    name: str
    kind: str
    vlan: Mapping[str, Any]
    datacenter: str | None
    switch: str | None
    hosts: int
    retired: bool
    ports: int
    nics: int
    unmatched: int
    subnets: tuple[WireRole, ...] = ()
    offers: tuple[WireOffer, ...] = ()
    """Wires that are gone and that this one could stand in for."""
    former_names: tuple[FormerName, ...] = ()
    """Of `show_wire` alone."""


@dataclass(frozen=True, slots=True)
class SubnetRow:
    """A subnet with its use and its wires, the default one first."""

    facts: SubnetFacts
    use: Use
    wires: tuple[WireRole, ...]


async def list_vcenters(pool: Pool) -> list[VcenterRow]:
    """All vCenters of which anything was heard, by name."""
    rows = await pool.fetch(
        """
        SELECT c.id, c.name, coalesce(s.name, 'default') AS scope, c.state, c.detail, c.epoch,
               c.snapshot_epoch, nullif(c.current_to, 'epoch') AS current_to, c.lag_seconds,
               (SELECT count(*) FROM inventory.host h WHERE h.vcenter_id = c.id AND NOT removed) AS hosts,
               (SELECT count(*) FROM inventory.wire w
                WHERE w.vcenter_id = c.id AND NOT retired AND NOT uplink) AS wires,
               (SELECT count(*) FROM inventory.vm v WHERE v.vcenter_id = c.id AND NOT removed) AS vms
        FROM inventory.vcenter c LEFT JOIN ipam.scope s ON s.id = c.scope_id ORDER BY c.name, c.id
        """
    )
    return [VcenterRow(**row) for row in rows]


async def list_wires(pool: Pool, *, vcenter: UUID | None = None, retired: bool = False) -> list[WireRow]:
    """Wires by vCenter and name; those that are gone only with `retired`."""
    async with pool.acquire() as conn:
        rows = await _wires(conn, None, vcenter, retired=retired)
        return await _with_offers(conn, rows)


async def show_wire(pool: Pool, named: str) -> WireRow:
    """The wire with that id, managed object id or name. Raises `PermanentError` as `find_wire` does."""
    async with pool.acquire() as conn:
        wire = await find_wire(conn, named)
        [row] = await _with_offers(conn, await _wires(conn, wire["id"], None, retired=True))
        return replace(row, former_names=await former_names(conn, row.vcenter, row.network))


async def list_subnets(
    pool: Pool, *, scope: str | None = None, now: datetime | None = None
) -> list[SubnetRow]:
    """Subnets by scope and prefix. With `now`, addresses that have cooled down by then count as free."""
    async with pool.acquire() as conn:
        return await _subnets(conn, None, scope, now)


async def show_subnet(
    pool: Pool, named: str, *, scope: str = DEFAULT_SCOPE_NAME, now: datetime | None = None
) -> SubnetRow:
    """The subnet with that id, or that name in `scope`. Raises `PermanentError` subnet_unknown."""
    async with pool.acquire() as conn:
        subnet = await find_subnet(conn, named, scope)
        return (await _subnets(conn, subnet.id, None, now))[0]


async def _wires(conn: Connection, one: UUID | None, vcenter: UUID | None, *, retired: bool) -> list[WireRow]:
    rows = await conn.fetch(
        """
        SELECT w.id, w.vcenter_id AS vcenter, coalesce(c.name, w.vcenter_id::text) AS vcenter_name,
               w.moid AS network, coalesce(w.name, w.moid) AS name, w.kind, w.state -> 'vlan' AS vlan,
               w.state ->> 'datacenter_name' AS datacenter, w.state ->> 'switch_name' AS switch,
               cardinality(w.hosts) AS hosts, w.retired,
               (SELECT count(*) FROM inventory.port p
                WHERE p.wire_id = w.id AND p.detached_at IS NULL) AS ports,
               (SELECT count(*) FROM inventory.nic n WHERE n.wire_id = w.id) AS nics,
               (SELECT count(*) FROM inventory.unmatched u WHERE u.wire_id = w.id) AS unmatched
        FROM inventory.wire w LEFT JOIN inventory.vcenter c ON c.id = w.vcenter_id
        WHERE NOT w.uplink AND w.state IS NOT NULL AND ($1::uuid IS NULL OR w.id = $1)
          AND ($2::uuid IS NULL OR w.vcenter_id = $2) AND ($3 OR NOT w.retired)
        ORDER BY 3, 5, w.moid
        """,
        one,
        vcenter,
        retired,
    )
    roles = await _roles(conn, wires=[row["id"] for row in rows])
    return [WireRow(**row, subnets=tuple(role for role in roles if role.wire == row["id"])) for row in rows]


async def _with_offers(conn: Connection, rows: list[WireRow]) -> list[WireRow]:
    offers: dict[UUID, list[WireOffer]] = {}
    for offer in await read_offers(conn):
        subnets = tuple(use.subnet_name for use in offer.uses)
        offers.setdefault(offer.new.id, []).append(WireOffer(offer.old.id, offer.old.network, subnets))
    return [replace(row, offers=tuple(offers.get(row.id, ()))) for row in rows]


async def _subnets(
    conn: Connection, one: UUID | None, scope: str | None, now: datetime | None
) -> list[SubnetRow]:
    subnets = await read_subnets(conn, scope=scope, ids=None if one is None else [one])
    ids = [s.id for s in subnets]
    use = await utilisation(conn, ids, now=now)
    roles = await _roles(conn, subnets=ids)
    by_subnet: dict[UUID, list[WireRole]] = {}
    for role in roles:
        by_subnet.setdefault(role.subnet, []).append(role)
    return [SubnetRow(s.facts(), use[s.id], tuple(by_subnet.get(s.id, ()))) for s in subnets]


async def _roles(
    conn: Connection, *, subnets: list[UUID] | None = None, wires: list[UUID] | None = None
) -> list[WireRole]:
    rows = await conn.fetch(
        """
        SELECT s.id AS subnet, s.name AS subnet_name, s.prefix::text AS prefix, r.wire,
               coalesce(w.name, w.moid, r.wire::text) AS wire_name, r.role, r.since
        FROM (
            SELECT id AS subnet, default_wire AS wire, 'default' AS role, NULL::timestamptz AS since
            FROM ipam.subnet
            UNION ALL
            SELECT subnet_id, wire_id, role, since FROM ipam.subnet_wire
            UNION ALL
            SELECT subnet_id, wire_id, 'mapped', NULL FROM inventory.mapped_wire
        ) r
        JOIN ipam.subnet s ON s.id = r.subnet
        LEFT JOIN inventory.wire w ON w.id = r.wire
        WHERE ($1::uuid[] IS NULL OR r.subnet = ANY ($1)) AND ($2::uuid[] IS NULL OR r.wire = ANY ($2))
        ORDER BY s.name, r.role <> 'default', 5
        """,
        subnets,
        wires,
    )
    return [WireRole(**row) for row in rows]

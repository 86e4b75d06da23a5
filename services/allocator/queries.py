"""What the allocator knows, as rows for lists: read-only, for the command line and whoever else asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.allocator.domain.evidence import Weight
from services.allocator.finding import find_subnet, find_vm, find_wire
from services.allocator.offers import read_offers
from services.allocator.parked import read_parked
from services.allocator.wire_names import FormerName, former_names
from shared.events.subnet import SubnetFacts
from shared.ipam.subnets import list_subnets as read_subnets
from shared.ipam.subnets import utilisation
from shared.ipam.use import Use
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.runtime.errors import PermanentError
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


@dataclass(frozen=True, slots=True)
class VmRow:
    """A VM where it lives, with its recorded addresses."""

    id: UUID
    vcenter: UUID
    vcenter_name: str
    moid: str
    name: str
    host: str | None
    power: str | None
    template: bool
    tools: str | None
    ports: int
    addresses: tuple[str, ...]
    unmatched: int


@dataclass(frozen=True, slots=True)
class VmPlace:
    """A VM's identity, and where it is, or was last."""

    id: UUID
    vcenter: UUID
    moid: str


@dataclass(frozen=True, slots=True)
class NicRow:
    """An address of a NIC record."""

    id: UUID
    vm: UUID
    vm_name: str
    vm_moid: str
    device_key: int
    label: str
    mac: str | None
    wire: UUID
    wire_name: str
    address: str
    subnet: UUID
    subnet_name: str
    source: str
    since: datetime
    drift: tuple[str, ...] = ()
    """What Tools report of that family instead, where the address was stated by an operator."""


@dataclass(frozen=True, slots=True)
class UnmatchedRow:
    """An address of a living port that has no record, and why."""

    address: str
    vm: UUID
    vm_name: str
    device_key: int | None
    wire: UUID | None
    wire_name: str | None
    verdict: str
    explanation: str
    since: datetime


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


async def list_vms(pool: Pool, *, vcenter: UUID | None = None, named: str | None = None) -> list[VmRow]:
    """VMs that exist, by name; those whose name contains `named`, if given."""
    rows = await pool.fetch(
        """
        SELECT v.vm_id AS id, v.vcenter_id AS vcenter, coalesce(c.name, v.vcenter_id::text) AS vcenter_name,
               v.moid, v.name, h.name AS host, v.power, v.template, g.tools,
               (SELECT count(*) FROM inventory.port p
                WHERE p.vm_id = v.vm_id AND p.vcenter_id = v.vcenter_id AND p.vm_moid = v.moid
                  AND p.detached_at IS NULL) AS ports,
               ARRAY(SELECT host(a.address)
                     FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id
                     WHERE n.vm_id = v.vm_id ORDER BY n.device_key, a.address) AS addresses,
               (SELECT count(*) FROM inventory.unmatched u WHERE u.vm_id = v.vm_id) AS unmatched
        FROM inventory.vm v
        LEFT JOIN inventory.vcenter c ON c.id = v.vcenter_id
        LEFT JOIN inventory.host h ON h.vcenter_id = v.vcenter_id AND h.moid = v.host
        LEFT JOIN inventory.guest g ON g.vcenter_id = v.vcenter_id AND g.moid = v.moid
        WHERE NOT v.removed AND v.vm_id IS NOT NULL AND ($1::uuid IS NULL OR v.vcenter_id = $1)
          AND ($2::text IS NULL OR strpos(lower(v.name), lower($2)) > 0)
        ORDER BY v.name, v.vm_id, v.vcenter_id
        """,
        vcenter,
        named,
    )
    return [VmRow(**{**row, "addresses": tuple(row["addresses"])}) for row in rows]


async def locate_vm(pool: Pool, named: str) -> VmPlace:
    """The VM with that id, managed object id or name, be it gone. Raises `PermanentError` as `find_vm`."""
    async with pool.acquire() as conn:
        row = await conn.fetchrow(
            "SELECT vm_id, vcenter_id, moid FROM inventory.vm WHERE vm_id = $1 ORDER BY removed LIMIT 1",
            await find_vm(conn, named),
        )
    if row is None:
        raise PermanentError(f"there is no VM {named!r}", code="vm_unknown")
    return VmPlace(row["vm_id"], row["vcenter_id"], row["moid"])


async def list_nics(
    pool: Pool,
    *,
    vm: str | None = None,
    subnet: str | None = None,
    scope: str = DEFAULT_SCOPE_NAME,
    wire: str | None = None,
    address: str | None = None,
) -> list[NicRow]:
    """Addresses of NIC records, by VM and device; of one VM, subnet, wire or address, if given.

    Raises `PermanentError` when the VM, subnet or wire is not known.
    """
    async with pool.acquire() as conn:
        wanted = (
            None if vm is None else await find_vm(conn, vm),
            None if subnet is None else (await find_subnet(conn, subnet, scope)).id,
            None if wire is None else (await find_wire(conn, wire))["id"],
        )
        rows = await conn.fetch(
            """
            SELECT n.id, n.vm_id AS vm, n.vm_name, n.vm_moid, n.device_key, n.label, n.mac, n.wire_id AS wire,
                   coalesce(w.name, w.moid, n.wire_id::text) AS wire_name, host(a.address) AS address,
                   a.subnet_id AS subnet, s.name AS subnet_name, a.source, a.since,
                   ARRAY(SELECT host(u.address) FROM inventory.unmatched u
                         WHERE u.port_id = n.port_id AND u.verdict = 'drift' AND a.source = 'fixed'
                         AND family(u.address) = family(a.address) ORDER BY u.address) AS drift
            FROM inventory.nic n
            JOIN inventory.nic_address a ON a.nic_id = n.id
            JOIN ipam.subnet s ON s.id = a.subnet_id
            LEFT JOIN inventory.wire w ON w.id = n.wire_id
            WHERE ($1::uuid IS NULL OR n.vm_id = $1) AND ($2::uuid IS NULL OR a.subnet_id = $2)
              AND ($3::uuid IS NULL OR n.wire_id = $3) AND ($4::inet IS NULL OR a.address = $4)
            ORDER BY n.vm_name, n.vm_id, n.device_key, a.address
            """,
            *wanted,
            address,
        )
    return [NicRow(**{**row, "drift": tuple(row["drift"])}) for row in rows]


async def list_unmatched(
    pool: Pool, *, vm: str | None = None, limit: int = 1000, weight: Weight | None = None
) -> list[UnmatchedRow]:
    """Addresses without a record and why, by VM; of one VM, if given. At most `limit`.

    `weight` is the evidence that the allocator is set to ask for, for the sentences. Raises `PermanentError`
    when the VM is not known.
    """
    async with pool.acquire() as conn:
        identity = None if vm is None else await find_vm(conn, vm)
        parked = await read_parked(conn, identity, weight or Weight(), limit)
    return [
        UnmatchedRow(
            address=p.address,
            vm=p.person.vm,
            vm_name=p.person.vm_name,
            device_key=p.device_key,
            wire=p.person.wire,
            wire_name=p.wire_name,
            verdict=p.verdict,
            explanation=p.explanation,
            since=p.since,
        )
        for p in parked
    ]


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

"""VMs, their NIC records and their addresses without one, as rows for lists: read-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.domain.evidence import Weight
from services.allocator.finding import find_subnet, find_vm, find_wire
from services.allocator.parked import read_parked
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool


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

"""`patchbay vm why`: for each port of a VM, why it has its NIC record, or none (G6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.evidence import Weight
from services.allocator.finding import find_vm
from services.allocator.parked import ParkedRow, read_parked
from services.allocator.vm_queries import NicRow, list_nics
from shared.model.command_line import typed
from shared.store.pool import Pool

PARKED_AT_MOST = 1000

Said = dict[tuple[UUID, str], Record]
"""What people said, by port and address."""


@dataclass(frozen=True, slots=True)
class WhyAddress:
    """An address of a port: recorded with its subnet and source, or not, with the verdict; and the reason."""

    address: str
    recorded: bool
    verdict: str
    """"recorded", or one of the verdicts on unmatched addresses."""
    because: str
    source: str | None = None
    subnet: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WhyPort:
    """A port and all that is known about its addresses. `device_key` None: Tools tell no device."""

    device_key: int | None
    label: str
    mac: str | None
    wire: str | None
    connected: bool
    nic: UUID | None
    summary: str
    addresses: tuple[WhyAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class WhyVm:
    """A VM and what is known of it. `heard_at`: newest word of its Tools; `as_of`: of its vCenter."""

    id: UUID
    name: str
    vcenter: str
    vcenter_state: str
    moid: str
    power: str | None
    removed_at: datetime | None
    tools: str | None
    heard_at: datetime | None
    as_of: datetime | None
    ports: tuple[WhyPort, ...]


class _Guest(NamedTuple):
    """A VM as commands name it, and the state of its Tools."""

    name: str
    tools: str | None


async def why(pool: Pool, vm: str, *, weight: Weight | None = None) -> WhyVm:
    """Explain the VM with that id, managed object id or name.

    `weight` is the evidence that the allocator is set to ask for. Raises `PermanentError` vm_unknown or
    vm_ambiguous.
    """
    async with pool.acquire() as conn:
        identity = await find_vm(conn, vm)
        place = await conn.fetchrow(
            """
            SELECT v.name, v.moid, v.power, v.removed, v.gone_at,
                   coalesce(c.name, v.vcenter_id::text) AS vcenter, coalesce(c.state, 'unknown') AS state,
                   nullif(c.current_to, 'epoch') AS current_to, g.tools, g.observed_at AS heard_at
            FROM inventory.vm v
            LEFT JOIN inventory.vcenter c ON c.id = v.vcenter_id
            LEFT JOIN inventory.guest g ON g.vcenter_id = v.vcenter_id AND g.moid = v.moid
            WHERE v.vm_id = $1
            ORDER BY v.removed, v.shadow, v.appeared_at DESC, v.vcenter_id DESC, v.moid DESC LIMIT 1
            """,
            identity,
        )
        ports = await conn.fetch(
            """
            SELECT p.*, coalesce(w.name, w.moid) AS wire_name FROM inventory.port p
            LEFT JOIN inventory.wire w ON w.id = p.wire_id WHERE p.vm_id = $1 ORDER BY p.device_key
            """,
            identity,
        )
        parked = await read_parked(conn, identity, weight or Weight(), PARKED_AT_MOST)
        roles = await conn.fetch(
            """
            SELECT subnet_id, wire_id, role, since FROM ipam.subnet_wire
            WHERE wire_id = ANY ($1::uuid[])
            UNION ALL
            SELECT subnet_id, wire_id, 'mapped', NULL FROM inventory.mapped_wire
            WHERE wire_id = ANY ($1::uuid[])
            """,
            [p["wire_id"] for p in ports],
        )
        statements = await conn.fetch(
            """
            SELECT port_id, host(address) AS address, source, by, at FROM inventory.statement
            WHERE vm_id = $1 AND ended_at IS NULL
            """,
            identity,
        )
    assert place is not None  # noqa: S101  `find_vm` found it
    nics = await list_nics(pool, vm=str(identity))
    how = {(r["subnet_id"], r["wire_id"]): r for r in roles}
    said = {(row["port_id"], row["address"]): row for row in statements}
    guest = _Guest(place["name"] or place["moid"], place["tools"])
    told = [_port(p, nics, parked, how, guest, said) for p in ports]
    return WhyVm(
        id=identity,
        name=place["name"],
        vcenter=place["vcenter"],
        vcenter_state=place["state"],
        moid=place["moid"],
        power=place["power"],
        removed_at=place["gone_at"] if place["removed"] else None,
        tools=place["tools"],
        heard_at=place["heard_at"],
        as_of=place["current_to"],
        ports=(*told, *_unplaced(parked, {p["id"] for p in ports})),
    )


def _port(  # noqa: PLR0917  what was read
    port: Record,
    nics: list[NicRow],
    parked: list[ParkedRow],
    how: dict[tuple[UUID, UUID], Record],
    guest: _Guest,
    said: Said,
) -> WhyPort:
    mine = [n for n in nics if n.device_key == port["device_key"]]
    others = [p for p in parked if p.person.port == port["id"]]
    addresses = (*(_recorded(n, how, said.get((port["id"], n.address))) for n in mine), *map(_parked, others))
    return WhyPort(
        device_key=port["device_key"],
        label=port["label"],
        mac=port["mac"],
        wire=port["wire_name"],
        connected=port["connected"],
        nic=mine[0].id if mine else None,
        summary=_summary(port, mine, others, guest),
        addresses=addresses,
    )


def _summary(port: Record, mine: list[NicRow], others: list[ParkedRow], guest: _Guest) -> str:
    if mine and port["detached_at"] is not None:
        return (
            f"keeps its NIC record with {', '.join(n.address for n in mine)} for the allocator's "
            f"release_grace_seconds: the VM lost the device at {port['detached_at']:%Y-%m-%d %H:%M:%S}"
        )
    if mine:
        return f"has a NIC record with {', '.join(n.address for n in mine)}"
    if others:
        count = (
            "its address does not match"
            if len(others) == 1
            else f"none of its {len(others)} addresses matches"
        )
        return f"has no NIC record: {count}"
    if guest.tools is None:
        return "has no NIC record: nothing was heard of the guest's Tools yet"
    if guest.tools != "running":
        fix = typed("vm", "fix-nics", guest.name, "--nic", f"{port['device_key']}=ADDRESS")
        return (
            f"has no NIC record: Tools are {guest.tools.replace('_', ' ')} and never named an address of it; "
            f"state it with: {fix}"
        )
    if not port["connected"]:
        return "has no NIC record: the device is not connected, and Tools name no address of it"
    return "has no NIC record: Tools are running, but name no address of this device"


def _recorded(nic: NicRow, how: dict[tuple[UUID, UUID], Record], statement: Record | None) -> WhyAddress:
    at = "" if statement is None else f" at {statement['at']:%Y-%m-%d %H:%M:%S}"
    said = {
        "tools": "VMware Tools report it",
        "fixed": f"{(statement and statement['by']) or 'an operator'} stated it{at}",
        "reservation": f"it was reserved for this VM and confirmed{at}",
    }[nic.source]
    role = how.get((nic.subnet, nic.wire))
    where = (
        f"wire '{nic.wire_name}' is the wire that subnet '{nic.subnet_name}' was created on"
        if role is None
        else f"wire '{nic.wire_name}' is on the same switch and VLAN as the wire that subnet "
        f"'{nic.subnet_name}' was created on"
        if role["role"] == "mapped"
        else f"wire '{nic.wire_name}' is attached to subnet '{nic.subnet_name}' "
        f"({role['role']} since {role['since']:%Y-%m-%d %H:%M:%S})"
    )
    return WhyAddress(
        address=nic.address,
        recorded=True,
        verdict="recorded",
        because=f"{said}, and {where}",
        source=nic.source,
        subnet=nic.subnet_name,
        since=nic.since,
    )


def _parked(parked: ParkedRow) -> WhyAddress:
    return WhyAddress(
        address=parked.address,
        recorded=False,
        verdict=parked.verdict,
        because=parked.explanation,
        since=parked.since,
    )


def _unplaced(parked: list[ParkedRow], ports: set[UUID]) -> list[WhyPort]:
    """Addresses that belong to no device known now, each group as a port of its own."""
    strays: dict[UUID, list[ParkedRow]] = {}
    for row in parked:
        if row.person.port not in ports:
            strays.setdefault(row.person.port, []).append(row)
    return [
        WhyPort(
            device_key=rows[0].device_key,
            label="no device",
            mac=None,
            wire=None,
            connected=False,
            nic=None,
            summary="Tools tell these addresses, but not on which device they are",
            addresses=tuple(map(_parked, rows)),
        )
        for rows in strays.values()
    ]

"""Subnets and wires, as decisions and sentences need them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.matching import Role, SubnetView
from services.allocator.domain.settlement import Spot
from shared.model.addresses import as_network, as_value
from shared.store.pool import Connection

SUBNET = "s.id, s.scope_id, s.name, s.prefix::text AS prefix, host(s.gateway) AS gateway, s.default_wire"


@dataclass(frozen=True, slots=True)
class WireName:
    """What is known of a wire: its name, and whether a VM's port can be on it."""

    id: UUID
    name: str
    vcenter: UUID
    usable: bool


async def read_on_wires(conn: Connection, wires: Iterable[UUID]) -> dict[UUID, list[tuple[SubnetView, Role]]]:
    """The subnets of each wire with the wire's role for them."""
    rows = await conn.fetch(
        f"""
        SELECT r.wire, r.role, inventory.off_vlan(w.state, s.vlan) AS off_vlan, {SUBNET}
        FROM (
            SELECT default_wire AS wire, 'default' AS role, id AS subnet FROM ipam.subnet
            WHERE default_wire = ANY ($1::uuid[])
            UNION ALL
            SELECT wire_id, role, subnet_id FROM ipam.subnet_wire WHERE wire_id = ANY ($1::uuid[])
            UNION ALL
            SELECT wire_id, 'mapped', subnet_id FROM inventory.mapped_wire WHERE wire_id = ANY ($1::uuid[])
        ) r
        JOIN ipam.subnet s ON s.id = r.subnet
        LEFT JOIN inventory.wire w ON w.id = r.wire
        """,  # noqa: S608  our own columns
        list(wires),
    )
    found: dict[UUID, list[tuple[SubnetView, Role]]] = {}
    for row in rows:
        found.setdefault(row["wire"], []).append((_subnet(row, row["off_vlan"]), row["role"]))
    return found


async def read_detected(conn: Connection, vcenters: Iterable[UUID]) -> dict[tuple[UUID, UUID], SubnetView]:
    """Subnets and their detected wires of these vCenters."""
    asked = list(vcenters)
    if not asked:
        return {}
    rows = await conn.fetch(
        f"""
        SELECT w.wire_id AS wire, {SUBNET} FROM ipam.subnet_wire w JOIN ipam.subnet s ON s.id = w.subnet_id
        JOIN inventory.wire i ON i.id = w.wire_id
        WHERE w.role = 'detected' AND i.vcenter_id = ANY ($1::uuid[])
        """,  # noqa: S608  our own columns
        asked,
    )
    return {(row["id"], row["wire"]): _subnet(row) for row in rows}


async def read_containing(
    conn: Connection, scopes: Iterable[UUID], addresses: Iterable[str]
) -> dict[Spot, SubnetView]:
    """The subnet that contains each address in each scope, where there is one."""
    within, asked = list(scopes), list(addresses)
    if not (within and asked):
        return {}
    rows = await conn.fetch(
        f"""
        SELECT c.scope AS asked, c.address AS text, {SUBNET}
        FROM unnest($1::uuid[]) AS k (scope)
        CROSS JOIN LATERAL unnest($2::text[], ipam.subnets_of(k.scope, $2::text[]::inet[]))
            AS u (address, subnet)
        CROSS JOIN LATERAL (SELECT k.scope, u.address) c
        JOIN ipam.subnet s ON s.id = u.subnet
        """,  # noqa: S608  our own columns
        within,
        asked,
    )
    return {(row["asked"], row["text"]): _subnet(row) for row in rows}


async def read_subnets(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, SubnetView]:
    """Subnets by id."""
    asked = list(ids)
    if not asked:
        return {}
    rows = await conn.fetch(
        f"SELECT {SUBNET} FROM ipam.subnet s WHERE s.id = ANY ($1::uuid[])",  # noqa: S608  our own columns
        asked,
    )
    return {row["id"]: _subnet(row) for row in rows}


async def read_wires(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, WireName]:
    """Wires by id. A port group known only by its removal has its managed object id for a name."""
    rows = await conn.fetch(
        """
        SELECT id, coalesce(name, moid) AS name, vcenter_id, NOT uplink AND state IS NOT NULL AS usable
        FROM inventory.wire WHERE id = ANY ($1::uuid[])
        """,
        list(ids),
    )
    return {row["id"]: WireName(row["id"], row["name"], row["vcenter_id"], row["usable"]) for row in rows}


def _subnet(row: Record, off_vlan: bool = False) -> SubnetView:
    gateway = row["gateway"]
    return SubnetView(
        row["id"], row["scope_id"], row["name"], as_network(row["prefix"]),
        None if gateway is None else as_value(gateway), row["default_wire"], off_vlan,
    )  # fmt: skip

"""NIC records and the ports they are for, read as values."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from services.allocator.domain.history import UNKNOWN_WIRE
from services.allocator.domain.records import Bound, NicRecord, PortView
from shared.model.identifiers import nic_id
from shared.store.pool import Connection


async def read_records(conn: Connection, addresses: list[str], ports: set[UUID]) -> dict[UUID, NicRecord]:
    """The records of `ports`, and those that have one of `addresses`; by port."""
    rows = await conn.fetch(
        """
        SELECT n.*, host(a.address) AS address, a.scope_id, a.subnet_id, a.source, a.since AS bound_since
        FROM (
            SELECT id FROM inventory.nic WHERE port_id = ANY ($1::uuid[])
            UNION SELECT nic_id FROM inventory.nic_address WHERE address = ANY ($2::text[]::inet[])
        ) w
        -- OFFSET 0: one record after the other by its key. A join of whole tables grows with them.
        CROSS JOIN LATERAL (SELECT * FROM inventory.nic WHERE id = w.id OFFSET 0) n
        CROSS JOIN LATERAL (SELECT * FROM inventory.nic_address WHERE nic_id = w.id OFFSET 0) a
        """,
        list(ports),
        addresses,
    )
    ports_of: dict[UUID, PortView] = {}
    bound: dict[UUID, dict[str, Bound]] = {}
    for row in rows:
        port = row["port_id"]
        if port not in ports_of:
            ports_of[port] = PortView(
                port, row["id"], row["vm_id"], row["vcenter_id"], row["vm_moid"], row["vm_name"],
                row["device_key"], row["label"], row["mac"], row["wire_id"],
            )  # fmt: skip
        bound.setdefault(port, {})[row["address"]] = Bound(
            row["scope_id"], row["subnet_id"], row["source"], row["bound_since"]
        )
    return {port: NicRecord(view, bound[port]) for port, view in ports_of.items()}


async def read_ports(conn: Connection, ids: Iterable[UUID]) -> tuple[dict[UUID, PortView], frozenset[UUID]]:
    """Ports by id; and which nobody speaks for: they or their VM are gone, it is off, its Tools don't run."""
    rows = await conn.fetch(
        """
        SELECT p.*, v.name, v.removed OR p.detached_at IS NOT NULL OR v.power IS DISTINCT FROM 'on'
                            OR coalesce(g.tools, 'running') = 'not_running' AS silent
        FROM inventory.port p
        JOIN inventory.vm v ON v.vcenter_id = p.vcenter_id AND v.moid = p.vm_moid
        LEFT JOIN inventory.guest g ON g.vcenter_id = p.vcenter_id AND g.moid = p.vm_moid
        WHERE p.id = ANY ($1::uuid[])
        """,
        list(ids),
    )
    ports = {
        row["id"]: PortView(
            row["id"], nic_id(row["vm_id"], row["device_key"]), row["vm_id"], row["vcenter_id"],
            row["vm_moid"], row["name"], row["device_key"], row["label"], row["mac"],
            row["wire_id"] or UNKNOWN_WIRE,
        )
        for row in rows
    }  # fmt: skip
    return ports, frozenset(row["id"] for row in rows if row["silent"])

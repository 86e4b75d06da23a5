"""NIC records and the ports they are for, read as values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from services.allocator.domain.history import UNKNOWN_WIRE
from services.allocator.domain.records import Bound, NicRecord, PortView
from shared.model.identifiers import nic_id
from shared.store.pool import Connection


class Records:
    """NIC records, each read once: for as long as nobody writes any."""

    def __init__(self) -> None:
        self._found: dict[UUID, NicRecord] = {}
        self._by_address: dict[str, set[UUID]] = {}
        self._ports: set[UUID] = set()
        self._addresses: set[str] = set()

    async def of(
        self, conn: Connection, ports: Collection[UUID], addresses: Collection[str]
    ) -> dict[UUID, NicRecord]:
        """The records of `ports`, and those that have one of `addresses`; by port."""
        await self._read(conn, set(ports) - self._ports, set(addresses) - self._addresses)
        asked = {port for port in ports if port in self._found}
        asked.update(port for address in addresses for port in self._by_address.get(address, ()))
        return {port: self._found[port] for port in asked}

    async def _read(self, conn: Connection, ports: set[UUID], addresses: set[str]) -> None:
        if not (ports or addresses):
            return
        for port, record in (await _read_records(conn, ports, addresses)).items():
            self._found[port] = record
            for address in record.addresses:
                self._by_address.setdefault(address, set()).add(port)
        self._ports |= ports
        self._addresses |= addresses


async def _read_records(conn: Connection, ports: set[UUID], addresses: set[str]) -> dict[UUID, NicRecord]:
    rows = await conn.fetch(
        """
        WITH own AS MATERIALIZED (SELECT * FROM inventory.nic WHERE port_id = ANY ($1::uuid[]))
        SELECT n.*, host(a.address) AS address, a.scope_id, a.subnet_id, a.source, a.since AS bound_since
        FROM (
            SELECT * FROM own
            UNION ALL
            SELECT o.* FROM (
                SELECT DISTINCT nic_id FROM inventory.nic_address
                WHERE address = ANY ($2::text[]::inet[]) AND nic_id NOT IN (SELECT id FROM own)
            ) w
            -- OFFSET 0: one record after the other by its key. A join of whole tables grows with them.
            CROSS JOIN LATERAL (SELECT * FROM inventory.nic WHERE id = w.nic_id OFFSET 0) o
        ) n
        CROSS JOIN LATERAL (SELECT * FROM inventory.nic_address WHERE nic_id = n.id OFFSET 0) a
        """,
        list(ports),
        list(addresses),
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

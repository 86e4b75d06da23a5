"""Sightings, read as claims: who is seen with an address, or was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import UNKNOWN_WIRE
from services.allocator.domain.records import PortView
from services.allocator.domain.settlement import SeenOn
from shared.model.identifiers import nic_id
from shared.store.pool import Connection

_KEPT = """
    NOT s.live AND NOT s.removed AND {change}::interval > interval '0'
    AND s.ended_at + {change}::interval > coalesce(c.current_to, '-infinity')
    AND s.ended_at - s.since >= {change}::interval
"""
"""What Tools report no more, but so lately that it still counts: it had settled itself."""


async def read_sightings(
    conn: Connection, addresses: list[str], grace: timedelta, change: timedelta
) -> list[Record]:
    """All sightings of `addresses` by known VMs; see `read` for `grace` and `change`."""
    rows: list[Record] = await conn.fetch(
        f"""
        SELECT s.vcenter_id, s.moid, s.device_key, host(s.address) AS address, s.wire_id, s.vm_id, s.port_id,
               s.since, s.live, coalesce({_KEPT.format(change="$3")}, false) AS kept,
               s.since + $3::interval > coalesce(c.current_to, '-infinity') AS fresh,
               -- What went with its VM, or its device, is released when the grace is over.
               s.ended_at + CASE WHEN s.gone THEN $2::interval ELSE interval '0' END AS ended_at
        FROM inventory.sighting s
        LEFT JOIN inventory.vcenter c ON c.id = s.vcenter_id
        WHERE s.address = ANY ($1::text[]::inet[]) AND s.vm_id IS NOT NULL
        """,  # noqa: S608  our own condition
        addresses,
        grace,
        change,
    )
    return rows


async def read_kept(
    conn: Connection, ports: Mapping[UUID, PortView], change: timedelta
) -> set[tuple[UUID, bool]]:
    """Ports and families (true: IPv6) with addresses that Tools report no more and that still count."""
    if not change:
        return set()
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT s.port_id, family(s.address) = 6 FROM inventory.sighting s
        LEFT JOIN inventory.vcenter c ON c.id = s.vcenter_id
        WHERE s.port_id = ANY ($1::uuid[]) AND {_KEPT.format(change="$2")}
        """,  # noqa: S608  our own condition
        list(ports),
        change,
    )
    return {(row[0], row[1]) for row in rows}


def seen_from(
    rows: Iterable[Record],
    ports: Mapping[UUID, PortView],
    homes: Mapping[UUID, Record],
    kept: Collection[tuple[UUID, bool]],
) -> list[SeenOn]:
    """Sightings that count, one per port and address, and those that ended."""
    counted: dict[tuple[UUID, str], SeenOn] = {}
    ended: list[SeenOn] = []
    for row in rows:
        port = ports.get(row["port_id"])
        nic = nic_id(row["vm_id"], row["device_key"])
        key, address = row["device_key"], row["address"]
        if not row["live"] and not (row["kept"] and port is not None):
            if row["ended_at"] is not None:
                ended.append(
                    SeenOn(row["port_id"], nic, key, address, row["wire_id"], row["vcenter_id"],
                           row["since"], row["ended_at"])
                )  # fmt: skip
            continue
        wire = UNKNOWN_WIRE if port is None else port.wire
        vcenter = homes[row["vm_id"]]["vcenter_id"] if port is None else port.vcenter
        mac = None if port is None else port.mac
        unsettled = row["live"] and row["fresh"] and (row["port_id"], ":" in address) in kept
        seen = SeenOn(
            row["port_id"], nic, key, address, wire, vcenter, row["since"], mac=mac, unsettled=unsettled
        )
        known = counted.get((row["port_id"], address))
        if known is None or seen.since < known.since:
            counted[row["port_id"], address] = seen
    return [*counted.values(), *ended]

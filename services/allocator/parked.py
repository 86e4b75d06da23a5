"""Unmatched addresses as they are stored, with the sentences that explain them today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.docket import Person
from services.allocator.domain.claims import Parked
from services.allocator.domain.evidence import Weight
from services.allocator.domain.reports import UNPLACED
from services.allocator.naming import ParkedAddress, sentences
from services.allocator.views import read_subnets
from shared.ipam.domain import Holder
from shared.store.pool import Connection


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """An unmatched address and why it is."""

    person: Person
    device_key: int | None
    """None: Tools tell no device."""
    wire_name: str | None
    address: str
    verdict: str
    explanation: str
    since: datetime


async def read_parked(conn: Connection, vm: UUID | None, weight: Weight, limit: int) -> list[ParkedRow]:
    """Unmatched addresses by VM and device, of one VM if `vm` is given."""
    rows = await conn.fetch(
        """
        SELECT u.*, host(u.address) AS text, coalesce(v.name, u.vm_moid) AS vm_name, p.label, p.mac,
               coalesce(w.name, w.moid) AS wire_name,
               ARRAY(SELECT host(t.address) FROM inventory.statement t
                     WHERE t.port_id = u.port_id AND t.source = 'fixed' AND t.ended_at IS NULL
                     ORDER BY t.address) AS stated
        FROM inventory.unmatched u
        LEFT JOIN inventory.vm v ON v.vcenter_id = u.vcenter_id AND v.moid = u.vm_moid
        LEFT JOIN inventory.port p ON p.id = u.port_id
        LEFT JOIN inventory.wire w ON w.id = u.wire_id
        WHERE $1::uuid IS NULL OR u.vm_id = $1
        ORDER BY vm_name, u.vm_id, u.device_key, u.address LIMIT $2
        """,
        vm,
        limit,
    )
    subnets = await read_subnets(conn, {s for row in rows for s in row["subnets"]})
    parked = []
    for row in rows:
        rival = None if row["rival_id"] is None else Holder(row["rival_kind"], row["rival_id"])
        found = tuple(subnets[s] for s in row["subnets"] if s in subnets)
        person = Person(
            row["port_id"], row["vm_id"], row["vcenter_id"], row["vm_moid"], row["vm_name"],
            row["device_key"], row["label"], row["mac"], row["wire_id"],
        )  # fmt: skip
        parked.append(
            ParkedAddress(
                person, row["text"], Parked(row["verdict"], row["since"], found, rival), row["stated"]
            )
        )
    explained = await sentences(conn, parked, weight)
    return [
        ParkedRow(
            person=item.person,
            device_key=None if row["device_key"] == UNPLACED else row["device_key"],
            wire_name=row["wire_name"],
            address=item.address,
            verdict=item.parked.verdict,
            explanation=sentence,
            since=item.parked.since,
        )
        for item, row, sentence in zip(parked, rows, explained, strict=True)
    ]

"""What is known of vCenters themselves: seen or lost, and up to when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.allocator.domain.evidence import last_tick
from services.allocator.rows import Table
from shared.events.base import Fact
from shared.events.envelope import Envelope
from shared.events.inventory import SnapshotCompleted
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection

VCENTER = Table(
    "inventory.vcenter",
    {
        "id": "uuid",
        "name": "text",
        "scope_id": "uuid",
        "state": "text",
        "detail": "text",
        "epoch": "bigint",
        "sequence": "bigint",
        "snapshot_epoch": "bigint",
        "current_to": "timestamptz",
        "lag_seconds": "double precision",
        "scope_epoch": "bigint",
    },
)


NEVER = datetime.fromtimestamp(0, UTC)
"""`current_to` until a heartbeat or a completed snapshot: a login alone says nothing about the inventory."""


async def apply_vcenters(conn: Connection, envelopes: Sequence[Envelope[Fact]]) -> set[UUID]:
    """Take in vcenter.* and inventory.snapshot.* facts; the vCenters where evidence may have ended by now."""
    if not envelopes:
        return set()
    ids = {e.data.vcenter for e in envelopes}
    stored = await conn.fetch("SELECT * FROM inventory.vcenter WHERE id = ANY ($1::uuid[])", list(ids))
    rows: dict[UUID, dict[str, Any]] = {row["id"]: dict(row) for row in stored}
    before = {identity: last_tick(row["current_to"]) for identity, row in rows.items()}
    for envelope in envelopes:
        identity = envelope.data.vcenter
        row = rows.setdefault(identity, unknown_vcenter(identity))
        _take_in(row, envelope)
    await VCENTER.upsert(conn, [tuple(row.values()) for row in rows.values()])
    return {i for i, row in rows.items() if last_tick(row["current_to"]) != before.get(i)}


def unknown_vcenter(identity: UUID) -> dict[str, Any]:
    """A vCenter of which nothing is known yet; the name is a stopgap until a fact tells it."""
    values: dict[str, Any] = dict.fromkeys(VCENTER.columns)
    return values | {
        "id": identity,
        "name": str(identity),
        "state": "connected",
        "epoch": 0,
        "sequence": 0,
        "current_to": NEVER,
        "scope_id": scope_id(DEFAULT_SCOPE_NAME),
        "scope_epoch": 0,
    }


def _take_in(row: dict[str, Any], envelope: Envelope[Fact]) -> None:
    fact = envelope.data
    if isinstance(fact, VcenterHeartbeat):
        row["current_to"] = max(row["current_to"], fact.current_to)
    elif isinstance(fact, SnapshotCompleted):
        # Every object that the snapshot announced was published before: the picture is as of then.
        row["current_to"] = max(row["current_to"], envelope.time)
        row["snapshot_epoch"] = max(row["snapshot_epoch"] or 0, fact.epoch)
    if not isinstance(fact, VcenterConnected | VcenterLost | VcenterHeartbeat):
        return
    if fact.order <= (row["epoch"], row["sequence"]):
        return
    row["epoch"], row["sequence"] = fact.order
    row["name"] = fact.name
    row["state"] = "lost" if isinstance(fact, VcenterLost) else "connected"
    row["detail"] = f"{fact.cause}: {fact.detail}" if isinstance(fact, VcenterLost) else None
    row["lag_seconds"] = fact.lag_seconds if isinstance(fact, VcenterHeartbeat) else None

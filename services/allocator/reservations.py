"""Reservations that were confirmed become statements about ports; those that ended free what they blocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.allocator.batch import Dirty, Occasion
from services.allocator.tables import STATEMENT
from shared.events.envelope import Envelope
from shared.events.placement import VmCreateCancelled, VmCreateConfirmed, VmCreateExpired
from shared.model.identifiers import port_id
from shared.store.pool import Connection


async def apply_confirmations(
    conn: Connection, envelopes: Sequence[Envelope[VmCreateConfirmed]], occasion: Occasion
) -> Dirty:
    """Keep which port each reserved address now belongs to. The port itself may not be known yet."""
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    dirty = Dirty()
    for envelope in envelopes:
        fact = envelope.data
        occasion.led_to(fact.vm, envelope)
        for bound in fact.ports:
            port = port_id(fact.vm, bound.device_key)
            for placed in bound.addresses:
                rows[port, placed.address] = (
                    port, placed.address, "reservation", fact.vm, bound.device_key, placed.subnet,
                    fact.reservation, fact.confirmed_at,
                )  # fmt: skip
                dirty.addresses.add(placed.address)
                dirty.ports.add(port)
    if not rows:
        return dirty
    subnets = await conn.fetch(
        "SELECT id, scope_id FROM ipam.subnet WHERE id = ANY ($1::uuid[])", [row[5] for row in rows.values()]
    )
    scopes = {row["id"]: row["scope_id"] for row in subnets}
    await STATEMENT.insert_new(
        conn,
        [
            (*row[:5], scopes[row[5]], row[5], row[6], None, row[7])
            for row in rows.values()
            if row[5] in scopes
        ],
    )
    return dirty


async def apply_endings(
    conn: Connection, envelopes: Sequence[Envelope[VmCreateExpired | VmCreateCancelled]]
) -> Dirty:
    """Addresses that were parked because an ended reservation held them are to be looked at again."""
    if not envelopes:
        return Dirty()
    rows = await conn.fetch(
        "SELECT host(address) FROM inventory.unmatched WHERE rival_id = ANY ($1::uuid[])",
        [e.data.reservation for e in envelopes],
    )
    return Dirty(addresses={row[0] for row in rows})

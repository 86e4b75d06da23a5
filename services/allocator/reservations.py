"""Reservations that were confirmed become statements about ports; those that ended free what they blocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.allocator.batch import Dirty, Occasion
from services.allocator.following import follow_subnets
from shared.events.envelope import Envelope
from shared.events.placement import VmCreateCancelled, VmCreateConfirmed, VmCreateExpired
from shared.model.identifiers import port_id
from shared.store.pool import Connection


async def apply_confirmations(
    conn: Connection, envelopes: Sequence[Envelope[VmCreateConfirmed]], occasion: Occasion
) -> Dirty:
    """Keep which port each reserved address now belongs to. The port itself may not be known yet."""
    stated: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    dirty = Dirty()
    for envelope in envelopes:
        fact = envelope.data
        occasion.led_to(fact.vm, envelope)
        for bound in fact.ports:
            port = port_id(fact.vm, bound.device_key)
            for placed in bound.addresses:
                row = (fact.confirmed_at, fact.reservation, fact.vm, bound.device_key, placed.subnet)
                stated[port, placed.address] = max(row, stated.get((port, placed.address), row))
                dirty.addresses.add(placed.address)
                dirty.ports.add(port)
    if stated:
        # The newest word counts, also against what is stored: in any order, the same.
        await conn.execute(
            """
            INSERT INTO inventory.statement AS t (
                port_id, address, source, vm_id, device_key, scope_id, subnet_id, reservation, at
            )
            SELECT u.port, u.address::inet, 'reservation', u.vm, u.key, coalesce(s.scope_id, a.scope_id),
                   coalesce(s.id, a.subnet_id), u.reservation, u.at
            FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::integer[],
                        $7::uuid[]) AS u (port, address, at, reservation, vm, key, subnet)
            LEFT JOIN ipam.subnet s ON s.id = u.subnet
            -- A subnet that was merged with another meanwhile: the ledger knows where the address is now.
            LEFT JOIN ipam.address a ON s.id IS NULL AND a.address = u.address::inet
                AND a.holder_id = u.reservation AND a.subnet_id IS NOT NULL
            WHERE s.id IS NOT NULL OR a.subnet_id IS NOT NULL
            ON CONFLICT (port_id, address, source) DO UPDATE SET
                reservation = excluded.reservation, at = excluded.at, subnet_id = excluded.subnet_id,
                scope_id = excluded.scope_id
            WHERE (excluded.at, excluded.reservation) > (t.at, t.reservation)
            """,
            *map(list, zip(*((*key, *row) for key, row in stated.items()), strict=True)),
        )
        await follow_subnets(conn, ports={port for port, _ in stated})
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

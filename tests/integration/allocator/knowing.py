"""Allocators that know networks from before: is it what the database would tell them?"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from services.allocator.networks import KnownWire, Networks
from services.allocator.scopes import scopes_and_version
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import Stage, wire


async def version_of(pool: Pool) -> UUID:
    """What the networks are known under now."""
    found: UUID = await pool.fetchval("SELECT version FROM allocator.networks")
    return found


async def assert_true(stage: Stage) -> None:
    """What the stage's allocator would go by is what is stored. From then on it knows all wires."""
    async with transaction(stage.pool) as conn:
        rows = await conn.fetch(
            "SELECT id FROM inventory.wire UNION SELECT default_wire FROM ipam.subnet"
            " UNION SELECT wire_id FROM ipam.subnet_wire"
        )
        wires = {row["id"] for row in rows} | {wire("pg-nowhere")}
        _, version = await scopes_and_version(conn)
        known = await stage.allocator.memory.at(version).of(conn, wires)
        assert _in_order(known) == _in_order(await Networks().of(conn, wires))


def _in_order(known: Mapping[UUID, KnownWire]) -> dict[UUID, tuple[object, ...]]:
    return {
        each: (known[each].name, *(sorted(s, key=str) for s in (known[each].subnets, known[each].explaining)))
        for each in sorted(known)
    }

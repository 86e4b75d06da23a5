"""What people stated for ports, or reservations brought, names a subnet; and those are split and merged."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from shared.store.pool import Connection


async def follow_subnets(
    conn: Connection, *, ports: Iterable[UUID] | None = None, subnets: Iterable[UUID] | None = None
) -> None:
    """Let statements, of these ports or in these subnets, name the subnet that has their address now.

    However late a statement is heard of: it may name a subnet that has had another shape since.
    """
    await conn.execute(
        """
        UPDATE inventory.statement s SET subnet_id = n.id FROM ipam.subnet n
        WHERE ($1::uuid[] IS NULL OR s.port_id = ANY ($1)) AND ($2::uuid[] IS NULL OR n.id = ANY ($2))
          AND s.scope_id = n.scope_id AND s.address <<= n.prefix AND s.subnet_id <> n.id
        """,
        None if ports is None else list(ports),
        None if subnets is None else list(subnets),
    )

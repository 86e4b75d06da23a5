"""What becomes of a reservation's row: confirmed, extended, ended, settled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.placement.domain.recognising import How, State
from shared.store.pool import Connection


async def mark_confirmed(
    conn: Connection, identity: UUID, *, vm: UUID, moid: str, how: How, at: datetime
) -> int:
    """The VM is there; its token by now. Host and MACs stay claimed until `settle`."""
    token: int = await conn.fetchval(
        """
        UPDATE placement.reservation
        SET state = 'confirmed', ended_at = $2, vm_id = $3, vm_moid = $4, recognised_by = $5,
            -- Bound after it had expired: whoever held it before holds something else.
            token = CASE WHEN state = 'expired' THEN nextval('placement.token') ELSE token END
        WHERE id = $1 RETURNING token
        """,
        identity, at, vm, moid, how,
    )  # fmt: skip
    return token


async def mark_ended(
    conn: Connection, identity: UUID, state: State, at: datetime, note: str | None = None
) -> None:
    """Cancelled or expired: host and MACs are free again."""
    await conn.execute(
        "UPDATE placement.reservation SET state = $2, ended_at = $3, note = $4 WHERE id = $1",
        identity, state, at, note,
    )  # fmt: skip
    await conn.execute(
        "UPDATE placement.reservation_nic SET live = false WHERE reservation_id = $1", identity
    )


async def extend(conn: Connection, identity: UUID, until: datetime, *, hand_over: bool) -> int:
    """Give a held reservation more time, or less; its token, a new one with `hand_over`."""
    token: int = await conn.fetchval(
        """
        UPDATE placement.reservation SET expires_at = $2,
            previous_token = CASE WHEN $3 THEN token ELSE previous_token END,
            token = CASE WHEN $3 THEN nextval('placement.token') ELSE token END
        WHERE id = $1 RETURNING token
        """,
        identity, until, hand_over,
    )  # fmt: skip
    return token


async def settle(conn: Connection) -> None:
    """Let go of hosts and MACs whose confirmed VM the inventory shows by now."""
    await conn.execute(
        """
        WITH shown AS (
            SELECT r.id FROM placement.reservation r
            WHERE r.state = 'confirmed' AND NOT r.settled AND EXISTS (
                SELECT FROM inventory.vm v WHERE v.vcenter_id = r.vcenter_id AND v.moid = r.vm_moid)
            ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
        ), settled AS (
            UPDATE placement.reservation r SET settled = true FROM shown WHERE r.id = shown.id
        )
        UPDATE placement.reservation_nic m SET live = false FROM shown WHERE m.reservation_id = shown.id
        """
    )

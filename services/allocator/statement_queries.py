"""What operators stated for ports, as rows. Read-only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.store.pool import Pool


@dataclass(frozen=True, slots=True)
class FixRow:
    """The addresses stated for a port. `vm_name` is None for a VM that was not heard of."""

    vm: UUID
    vm_name: str | None
    device_key: int
    addresses: tuple[str, ...]


async def list_fixes(pool: Pool) -> list[FixRow]:
    """What is stated now, by VM and device."""
    rows = await pool.fetch(
        """
        SELECT s.vm_id AS vm, (
                   SELECT v.name FROM inventory.vm v WHERE v.vm_id = s.vm_id ORDER BY v.removed LIMIT 1
               ) AS vm_name,
               s.device_key, array_agg(host(s.address) ORDER BY s.address) AS addresses
        FROM inventory.statement s WHERE s.source = 'fixed' AND s.ended_at IS NULL
        GROUP BY s.vm_id, s.device_key ORDER BY 2, 1, 3
        """
    )
    return [FixRow(r["vm"], r["vm_name"], r["device_key"], tuple(r["addresses"])) for r in rows]

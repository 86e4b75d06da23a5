"""Keeps histories short: what is older than a set age is kept as what it came to."""

from __future__ import annotations

from datetime import datetime

from services.allocator.domain.history import fold
from services.allocator.locking import lock_writes
from services.allocator.sighting_rows import read_history, write_base
from shared.store.pool import Pool, transaction

VMS_AT_ONCE = 500


async def prune(pool: Pool, before: datetime) -> int:
    """Fold facts observed before `before` into one row per VM; how many VMs that was done for.

    What follows from the facts stays the same. Only a fact that comes so late that it belongs before the
    folded ones no longer counts.
    """
    done = 0
    while True:
        async with transaction(pool) as conn:
            await lock_writes(conn)
            rows = await conn.fetch(
                """
                SELECT DISTINCT vcenter_id, moid FROM (
                    SELECT vcenter_id, moid FROM inventory.vm_history
                    WHERE kind <> 'base' AND observed_at < $1 ORDER BY observed_at LIMIT $2
                ) old
                """,
                before,
                VMS_AT_ONCE,
            )
            if not rows:
                return done
            history = await read_history(conn, [(r["vcenter_id"], r["moid"]) for r in rows])
            bases = {}
            for key, (base, entries) in history.items():
                # Up to the last old one in the vCenter's order: its clock may have been set back meanwhile.
                old = max((i for i, entry in enumerate(entries, 1) if entry.at < before), default=0)
                bases[key] = fold(base, entries[:old])
            await write_base(conn, bases)
            done += len(rows)

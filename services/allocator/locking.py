"""The advisory lock that allocators take turns with.

What is decided about an address depends on other VMs, wires and subnets; under the lock a decision sees all
that was decided before. It is held once per batch, so any number of allocators may share the queue: they add
availability, not speed.
"""

from __future__ import annotations

from shared.store.pool import Connection

LOCK = 0x7061_7463_6862_0010


async def lock_writes(conn: Connection) -> None:
    """Wait for, and hold to the end of the transaction, the right to write the allocator's state."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", LOCK)

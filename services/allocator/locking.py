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


async def plan_anew(conn: Connection) -> None:
    """Have each statement of the transaction planned for the values it gets.

    A command may concern thousands of addresses. A plan made for any values, while the tables were small,
    compares each of them with each row: 2.4 of 4.4 seconds for a subnet that 10,000 VMs wait for.
    """
    await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")

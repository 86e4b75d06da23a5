"""Notes how full subnets are, hour by hour, so that there is a history to make forecasts from."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.ipam.subnets import utilisation
from shared.store.pool import Connection

KEPT = timedelta(days=400)


async def sample_use(conn: Connection, now: datetime, every: timedelta) -> int:
    """Note the use of every subnet, once for each span of `every` whoever asks; how many were noted."""
    span = every.total_seconds()
    at = datetime.fromtimestamp(now.timestamp() // span * span, tz=now.tzinfo)
    rows = await conn.fetch(
        "SELECT id FROM ipam.subnet s WHERE NOT EXISTS"
        " (SELECT FROM placement.subnet_use u WHERE u.subnet_id = s.id AND u.at = $1)",
        at,
    )
    use = await utilisation(conn, [row["id"] for row in rows], now=now)
    await conn.execute(
        "INSERT INTO placement.subnet_use (subnet_id, at, used, capacity)"
        " SELECT u.id, $1, u.used, u.capacity FROM unnest($2::uuid[], $3::bigint[], $4::numeric[])"
        " AS u (id, used, capacity) ON CONFLICT DO NOTHING",
        at,
        list(use),
        [found.used for found in use.values()],
        [found.capacity for found in use.values()],
    )
    await conn.execute("DELETE FROM placement.subnet_use WHERE at < $1", at - KEPT)
    return len(use)

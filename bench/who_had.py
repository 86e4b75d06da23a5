"""How long it takes to say who had an address at a time in the past, over ten million periods.

    python -m bench.who_had [--rows 10000000] [--lookups 3000] [--database private]

Prints one JSON document. The rows are made in the database: addresses of three years, each a hundred times
in other hands, and one that changed hands ten thousand times. The bar: 99 lookups of 100 take less than ten
milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from bench._servers import PRIVATE, database
from services.allocator.tenure_queries import nic_history, who_had
from shared.store.connection import connect
from shared.store.pool import Pool, open_pool

START = datetime(2024, 1, 1, tzinfo=UTC)
VCENTER = "6f1d3a52-7d50-4b11-9a9e-0f2b8a1d7c10"
HANDS = 100
"""How often each address changed hands."""
DAYS = 10
HOT, HOT_HANDS = "10.255.255.254", 10_000
VMS = 20_000
BAR_MS = 10.0


async def load(url: str, rows: int) -> float:
    """Make the periods; how many seconds it took. Indexes are made afterwards, as they were."""
    began = time.perf_counter()
    conn = await connect(url, name="bench", command_timeout=None)
    try:
        indexes = await conn.fetch(
            """
            SELECT indexname, indexdef FROM pg_indexes
            WHERE schemaname = 'inventory' AND tablename = 'tenure' AND indexname <> 'tenure_pkey'
            """
        )
        for row in indexes:
            await conn.execute(f"DROP INDEX inventory.{row['indexname']}")
        await conn.execute("ALTER TABLE inventory.tenure DROP CONSTRAINT tenure_pkey")
        await conn.execute(_VMS, VCENTER, VMS, START)
        await conn.execute(_PERIODS, VCENTER, rows // HANDS, HANDS, VMS, START, float(DAYS))
        await conn.execute(_HOT, VCENTER, HOT, HOT_HANDS, VMS, START, float(HANDS * DAYS * 24 / HOT_HANDS))
        await conn.execute(
            "ALTER TABLE inventory.tenure "
            "ADD PRIMARY KEY (vcenter_id, moid, device_key, address, wire_id, opened_at)"
        )
        for row in indexes:
            await conn.execute(row["indexdef"])
        await conn.execute("VACUUM ANALYZE inventory.tenure")
        await conn.execute("ANALYZE inventory.vm")
    finally:
        await conn.close()
    return time.perf_counter() - began


async def measure(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Load, look up, and sum up."""
    print(f"loading {arguments.rows:,} periods …", file=sys.stderr)
    loading = await load(url, arguments.rows)
    pool = await open_pool(url, name="bench", size=2)
    try:
        size = await pool.fetchrow(
            """
            SELECT count(*) AS rows, pg_size_pretty(pg_table_size('inventory.tenure')) AS table,
                   pg_size_pretty(pg_indexes_size('inventory.tenure')) AS indexes FROM inventory.tenure
            """,
            timeout=600,
        )
        assert size is not None
        version = await pool.fetchval("SHOW server_version")
        figures = await lookups(pool, arguments)
    finally:
        await pool.close()
    return {
        "benchmark": "who_had",
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "load_before": [round(load, 2) for load in os.getloadavg()],
            "python": platform.python_version(),
            "asyncpg": asyncpg.__version__,
            "postgresql": version,
        },
        "sizes": {**dict(size), "lookups": arguments.lookups, "load_seconds": round(loading, 1)},
        "latency_ms": figures,
        "bar": {"p99_ms": BAR_MS, "met": figures["who-had --at"]["p99"] <= BAR_MS},
    }


async def lookups(pool: Pool, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Latencies of each kind of question, the kinds by turns."""
    dice = random.Random(1)  # noqa: S311  the same questions in every run
    networks = arguments.rows // HANDS

    def address() -> str:
        number = dice.randrange(networks)
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def moment() -> datetime:
        return START + timedelta(days=dice.random() * HANDS * DAYS)

    kinds: dict[str, Callable[[], Awaitable[Any]]] = {
        "who-had --at": lambda: who_had(pool, address(), at=moment()),
        "who-had": lambda: who_had(pool, address()),
        "who-had --at, the busiest address": lambda: who_had(pool, HOT, at=moment()),
        "nic history --at": lambda: nic_history(pool, f"vm-{dice.randrange(VMS)}", at=moment()),
    }
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(arguments.lookups):
        for kind, ask in kinds.items():
            began = time.perf_counter()
            await ask()
            took[kind].append((time.perf_counter() - began) * 1000)
    return {
        kind: {
            "p50": round(statistics.median(times), 2),
            "p99": round(sorted(times)[int(len(times) * 0.99)], 2),
            "max": round(max(times), 2),
        }
        for kind, times in took.items()
    }


_VMS = """
    INSERT INTO inventory.vm (vcenter_id, moid, epoch, sequence, observed_at, vm_id, appeared_at, name)
    SELECT $1::uuid, 'vm-' || n, 1, n, $3, md5('vm-' || n)::uuid, $3, 'web-' || n
    FROM generate_series(0, $2 - 1) n
"""
_PERIODS = """
    INSERT INTO inventory.tenure (
        vcenter_id, moid, device_key, address, wire_id, opened_at, ended_at, ended_epoch, ended_sequence, mac
    )
    SELECT $1::uuid, 'vm-' || (a * 31 + h * 7919) % $4, 4000 + h % 3, '10.0.0.0'::inet + a, md5('wire')::uuid,
           $5::timestamptz + make_interval(hours => (a % 24) + (h * $6::float * 24)::int),
           CASE WHEN h < $3 - 1 THEN $5::timestamptz +
                make_interval(hours => (a % 24) + ((h + 0.9) * $6::float * 24)::int) END,
           1, h, '00:50:56:00:00:01'
    FROM generate_series(0, $2 - 1) a, generate_series(0, $3 - 1) h
"""
_HOT = """
    INSERT INTO inventory.tenure (
        vcenter_id, moid, device_key, address, wire_id, opened_at, ended_at, ended_epoch, ended_sequence, mac
    )
    SELECT $1::uuid, 'vm-' || h % $4, 4000, $2::text::inet, md5('wire')::uuid,
           $5::timestamptz + make_interval(secs => h * $6::float * 3600),
           $5::timestamptz + make_interval(secs => (h + 0.9) * $6::float * 3600),
           1, h, '00:50:56:00:00:01'
    FROM generate_series(0, $3 - 1) h
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Latency of questions about the past, as JSON.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="periods")
    parser.add_argument("--lookups", type=int, default=3000, help="questions of each kind")
    parser.add_argument(
        "--database", default=PRIVATE, help="an empty migrated database's URL; default: one of its own"
    )
    arguments = parser.parse_args()
    with database(arguments.database) as url:
        print(json.dumps(asyncio.run(measure(url, arguments)), indent=2))


if __name__ == "__main__":
    main()

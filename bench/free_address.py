"""How long the next free address takes: empty /24, nearly full network, IPv6 /64, a /16 in tatters.

    python -m bench.free_address [--full-prefix 10.0.0.0/8] [--rounds 400] [--database-url URL]

Prints one JSON document. Without a URL it starts the embedded PostgreSQL in a temporary folder. Each case is
a subnet of its own scope in one database; the cases take turns, so that whatever else the machine does hits
all alike. An address is given back after each allocation, outside the clock, so that a case stays what it is.
The default nearly full network is a /12; a /8 that is 99 % full has 16.6 million rows, minutes to load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from shared.events.subnet import SubnetFacts
from shared.ipam.connection import Connection
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import Holder, Release, allocate, release
from shared.ipam.subnets import Subnet, create_subnet
from shared.model.addresses import parse_prefix
from shared.model.identifiers import derive, scope_id, subnet_id
from shared.runtime.errors import ConflictError, TransientError
from shared.store.connection import connect
from shared.store.embedded import ensure_postgres
from shared.store.migrate import upgrade
from shared.store.pool import Pool, open_pool, transaction

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WRITERS = 16
EACH = 40
BAR = 1.5


@dataclass(frozen=True)
class Case:
    """A subnet and which of its addresses are held: all but every `hole`-th, or none."""

    name: str
    prefix: str
    hole: int | None = None
    order: str = "lowest"


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The given server, or the embedded one in a folder that is gone afterwards."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="patchbay-bench-") as folder:
        # The server runs as another user when we are root.
        Path(folder).chmod(0o755)
        with ensure_postgres(Path(folder)) as embedded:
            yield embedded.url


async def prepare(conn: Connection, case: Case) -> Subnet:
    """Make the case's subnet and fill it in bulk, past triggers and checks."""
    scope, prefix = case.name, parse_prefix(case.prefix)
    async with conn.transaction():
        draft = SubnetFacts.model_validate(
            {
                "id": subnet_id(scope_id(scope), "bench", case.prefix),
                "scope": scope,
                "name": "bench",
                "prefix": case.prefix,
                "ranges": (),
                "default_wire": derive("wire", "bench"),
                "allocation_order": case.order,
                "cooldown_seconds": 0,
            }
        )
        subnet = await create_subnet(conn, draft, NOW)
        if case.hole is not None:
            await conn.execute("SET LOCAL session_replication_role = replica")
            await conn.execute(
                """
                INSERT INTO ipam.address (scope_id, address, subnet_id, holder_kind, holder_id, since)
                SELECT $1, $2::inet + n, $3, 'nic', $4, $5
                FROM generate_series(1::bigint, $6::bigint) n WHERE n % $7 <> 0
                """,
                subnet.scope_id, prefix.network_address, subnet.id, derive("nic", "bench"), NOW,
                prefix.num_addresses - 2, case.hole,
                timeout=3600,
            )  # fmt: skip
            await conn.execute("SELECT ipam.rebuild_free($1)", subnet.id, timeout=3600)
    return subnet


async def one_allocation(pool: Pool, subnet: Subnet, number: int) -> tuple[float, float]:
    """Seconds until the address is known, and until it is committed."""
    holder = Holder("reservation", derive("reservation", number))
    start = time.perf_counter()
    async with transaction(pool) as conn:
        (address,) = await allocate(conn, subnet.id, 1, holder, NOW, now=NOW)
        known = time.perf_counter()
    committed = time.perf_counter()
    async with transaction(pool) as conn:
        await release(conn, subnet.scope_id, [Release(address, holder, NOW)], cooldown=False)
    return known - start, committed - start


async def latencies(pool: Pool, subnets: dict[str, Subnet], rounds: int) -> dict[str, dict[str, float]]:
    """Percentiles of each case in microseconds."""
    known: dict[str, list[float]] = {name: [] for name in subnets}
    committed: dict[str, list[float]] = {name: [] for name in subnets}
    warm_up = 20
    for number in range(rounds + warm_up):
        for name, subnet in subnets.items():
            one, both = await one_allocation(pool, subnet, number)
            if number >= warm_up:
                known[name].append(one)
                committed[name].append(both)
    return {
        name: {
            "p50_us": round(statistics.median(known[name]) * 1e6, 1),
            "p99_us": round(statistics.quantiles(known[name], n=100)[98] * 1e6, 1),
            "p50_with_commit_us": round(statistics.median(committed[name]) * 1e6, 1),
            "p99_with_commit_us": round(statistics.quantiles(committed[name], n=100)[98] * 1e6, 1),
        }
        for name in subnets
    }


async def crowd(pool: Pool, subnet: Subnet, writers: int, total: int) -> dict[str, object]:
    """`writers` at once take `total` addresses from one subnet, each in its own transaction."""
    failed = {"conflicts": 0, "full": 0}

    async def writer(writer_number: int) -> list[str]:
        got: list[str] = []
        for number in range(total // writers):
            holder = Holder("reservation", derive("reservation", writers, writer_number, number))
            try:
                async with transaction(pool) as conn:
                    got += await allocate(conn, subnet.id, 1, holder, NOW, now=NOW)
            except (ConflictError, TransientError):
                failed["conflicts"] += 1
            except LedgerRefusal:
                failed["full"] += 1
        return got

    start = time.perf_counter()
    addresses = [a for got in await asyncio.gather(*map(writer, range(writers))) for a in got]
    seconds = time.perf_counter() - start
    return {
        "writers": writers,
        "asked": total // writers * writers,
        "granted": len(addresses),
        "duplicates": len(addresses) - len(set(addresses)),
        **failed,
        "allocations_per_s": round(len(addresses) / seconds),
    }


async def measure(url: str, arguments: argparse.Namespace) -> dict[str, object]:
    """All figures, in a database of their own."""
    cases = [
        Case("empty /24", "10.0.0.0/24"),
        Case("99 % full", arguments.full_prefix, hole=100),
        Case("IPv6 /64", "2001:db8::/64"),
        Case("/16, every other one held", "10.0.0.0/16", hole=2),
        Case("/16, every other one held, highest", "10.0.0.0/16", hole=2, order="highest"),
        Case("/16, every other one held, random", "10.0.0.0/16", hole=2, order="random"),
    ]
    pool = await open_pool(url, name="bench", size=WRITERS)
    try:
        async with pool.acquire() as conn:
            start = time.perf_counter()
            subnets = {case.name: await prepare(conn, case) for case in cases}
            room = await prepare(conn, Case("crowd", "10.0.0.0/20"))
            loading = time.perf_counter() - start
            await conn.execute("VACUUM ANALYZE", timeout=3600)
            rows = await conn.fetchval("SELECT count(*) FROM ipam.address", timeout=600)
            intervals = await conn.fetchval("SELECT count(*) FROM ipam.free_interval")
            settings = {
                name: await conn.fetchval("SELECT current_setting($1)", name)
                for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers")
            }
        figures = await latencies(pool, subnets, arguments.rounds)
        empty = figures["empty /24"]["p50_us"]
        alone = await crowd(pool, room, 1, EACH * WRITERS)
        together = await crowd(pool, room, WRITERS, EACH * WRITERS)
    finally:
        await pool.close()
    ratios = {name: round(figure["p50_us"] / empty, 2) for name, figure in figures.items()}
    judged = ("99 % full", "IPv6 /64", "/16, every other one held")
    return {
        "benchmark": "free_address",
        "machine": machine(),
        "postgresql": settings,
        "sizes": {
            "full_prefix": arguments.full_prefix,
            "ledger_rows": rows,
            "free_intervals": intervals,
            "rounds": arguments.rounds,
            "load_seconds": round(loading, 1),
        },
        "latency": figures,
        "ratio_to_empty_24": ratios,
        "crowd": {"alone": alone, "together": together},
        "bar": {
            "ratio": BAR,
            "met": all(ratios[name] <= BAR for name in judged)
            and together["duplicates"] == together["conflicts"] == 0
            and together["granted"] == together["asked"],
        },
    }


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "asyncpg": asyncpg.__version__,
    }


async def with_own_database(url: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Measure in a new database on the server, and drop it."""
    name = f"bench_{os.getpid()}"
    admin = await connect(url, name="bench")
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        own = re.sub(r"^(\w+://[^/]*)/[^?]*", rf"\1/{name}", url)
        await upgrade(own)
        return await measure(own, arguments)
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Latency of the next free address, as JSON.")
    parser.add_argument("--full-prefix", default="10.0.0.0/12", help="the nearly full network")
    parser.add_argument("--rounds", type=int, default=400, help="allocations per case")
    parser.add_argument("--database-url", help="a PostgreSQL superuser's URL; default: an embedded server")
    arguments = parser.parse_args()
    with server(arguments.database_url) as url:
        figures = asyncio.run(with_own_database(url, arguments))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

"""Guest events from the queue to the commit, beside a bare consumer; cost per event as VMs grow; new subnets.

    python -m bench.allocator [--only throughput kinds growth subnet] [--events 10000] [--batch 500]
        [--allocators 1 2] [--sizes 1000 10000 100000] [--waiting 50000] [--amqp …] [--database …]

*Throughput*: of 10,000 VMs, guests repeat what is known, get other addresses of their subnets, or report for
the first time (half of those events are the VMs'); or guests do all of that, nine repeats in ten. The
allocator's loop takes the events from RabbitMQ and commits records, ledger and outgoing events. The rival
takes the same messages from the same queue with aio-pika alone and does nothing with them. Several allocators
are processes of their own, the rival is always one. *Kinds*: what such events cost without a bus.
*Growth*: other addresses in batches, without a bus, on inventories of several sizes, taking turns. *Subnet*:
one is created where so many VMs wait for it. Each has databases of its own. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

import structlog

from bench._collector import about_the_machine
from bench._consumers import of_allocator, of_allocators, of_bare_consumer, per_event
from bench._servers import PRIVATE, broker, database
from bench._site import LOADING, MIXTURE, Site
from services.allocator.app import collect_seldom
from services.allocator.settings import AllocatorSettings
from shared.bus.connecting import connect_bus
from shared.events import commands as cmd
from shared.events.topology import TOPOLOGY
from shared.store.pool import Pool, open_pool
from tests.integration.allocator.story import Stage, Teller

THROUGHPUT_VMS = 10_000
BARS = {"throughput": 0.7, "growth": 1.3}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    """A pool on one database."""
    pool = await open_pool(url, name="bench", command_timeout=600)
    try:
        yield pool
    finally:
        await pool.close()


async def throughput(
    amqp: str, url: str, count: int, rounds: int, *, batch: int, allocators: Sequence[int]
) -> dict[str, Any]:
    """Allocators beside the bare consumer, taking turns on one queue with messages of the same kinds."""
    found: dict[tuple[int, str], list[tuple[dict[str, float], dict[str, float]]]] = {}
    async with opened(url) as pool:
        site = Site(pool, THROUGHPUT_VMS)
        await site.load()
        bus = await connect_bus(amqp_url=amqp, database_url=url, name="bench")
        await bus.declare(TOPOLOGY)
        for _ in range(rounds):
            for kind in (*site.kinds(), "mixed"):
                for many in allocators:
                    events = await site.mixed(count) if kind == "mixed" else site.kinds()[kind](count)
                    bare = await of_bare_consumer(amqp, bus, events)
                    if many == 1:
                        ours = await of_allocator(bus, pool, events, batch)
                    else:
                        ours = await of_allocators(bus, events, batch, count=many, amqp=amqp, url=url)
                    found.setdefault((many, kind), []).append((ours, bare))
                    await pool.execute("TRUNCATE bus.outbox")
        await bus.close()
    return {
        "vms": THROUGHPUT_VMS,
        "events": count,
        "batch": batch,
        "mixture": MIXTURE,
        "bar": BARS["throughput"],
        **{
            f"allocators_{many}": {
                kind: {
                    "allocator": [ours for ours, _ in pairs],
                    "bare_aio_pika": [bare for _, bare in pairs],
                    "of_bare": round(
                        statistics.median(o["per_second"] / b["per_second"] for o, b in pairs), 3
                    ),
                }
                for (of, kind), pairs in found.items()
                if of == many
            }
            for many in allocators
        },
    }


async def kinds(url: str, batch: int, batches: int) -> dict[str, Any]:
    """What events that change nothing, something, and everything cost; taking turns."""
    took: dict[str, list[dict[str, float]]] = {}
    async with opened(url) as pool:
        site = Site(pool, THROUGHPUT_VMS)
        await site.load()
        for _ in range(batches):
            for kind, told in site.kinds().items():
                events = told(batch)
                wall, cpu = time.perf_counter(), time.process_time()
                await site.stage.tell(*events)
                took.setdefault(kind, []).append(per_event(batch, wall, cpu))
    return {
        kind: {what: statistics.median(each[what] for each in found[2:]) for what in found[0]}
        for kind, found in took.items()
    }


async def growth(urls: Sequence[str], sizes: Sequence[int], batch: int, batches: int) -> dict[str, Any]:
    """What an event costs on inventories of these sizes."""
    took: dict[int, list[float]] = {size: [] for size in sizes}
    loading: dict[int, float] = {}
    async with AsyncExitStack() as stack:
        sites = []
        for url, size in zip(urls, sizes, strict=True):
            pool = await stack.enter_async_context(opened(url))
            sites.append(Site(pool, size))
            began = time.perf_counter()
            await sites[-1].load()
            loading[size] = time.perf_counter() - began
            _say(f"{size} VMs loaded in {loading[size]:.0f} s")
        buffers = await sites[-1].stage.pool.fetchval("SHOW shared_buffers")
        for _ in range(batches):
            for site in sites:
                events = site.moves(batch)
                began = time.perf_counter()
                await site.stage.tell(*events)
                took[site.vms].append((time.perf_counter() - began) / batch * 1e6)
    costs = {size: statistics.median(found[2:]) for size, found in took.items()}
    return {
        "us_per_event": {str(size): round(cost) for size, cost in costs.items()},
        "largest_to_smallest": round(costs[max(sizes)] / costs[min(sizes)], 2),
        "bar": BARS["growth"],
        "batch": batch,
        "shared_buffers": buffers,
        "loading_us_per_vm": {str(size): round(each / size * 1e6) for size, each in loading.items()},
    }


async def subnet(url: str, waiting: int) -> dict[str, Any]:
    """Creating a subnet on a port group where so many VMs have addresses and no record."""
    async with opened(url) as pool:
        stage, teller = Stage(pool), Teller()
        await stage.tell(teller.portgroup("pg-0"))
        for start in range(0, waiting, LOADING):
            part = range(start, min(start + LOADING, waiting))
            await stage.tell(*(teller.vm(f"vm{number}", "pg-0") for number in part))
            await stage.tell(
                *(
                    teller.guest(f"vm{number}", _address(number), gateway="10.0.0.1", prefix=8)
                    for number in part
                )
            )
        await pool.execute("TRUNCATE bus.outbox")
        await pool.execute("VACUUM ANALYZE")
        _say(f"{waiting} VMs wait")
        began = time.perf_counter()
        await stage.command(cmd.SubnetCreate(name="all", prefix="10.0.0.0/8", wire="pg-0"))
        took = time.perf_counter() - began
        records = await pool.fetchval("SELECT count(*) FROM inventory.nic")
    return {
        "waiting": waiting,
        "records_made": records,
        "seconds": round(took, 1),
        "us_per_vm": round(took / waiting * 1e6),
    }


def _address(number: int) -> str:
    return f"10.{1 + number // 60000}.{number // 250 % 240}.{2 + number % 250}"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One after the other, each with servers of its own."""
    collect_seldom()  # as the service does
    results: dict[str, Any] = {}
    if "throughput" in options.only:
        with broker(options.amqp) as amqp, database(options.database) as url:
            if amqp is None:
                raise SystemExit("the rival needs RabbitMQ: --amqp amqp://… or private")
            with profiled(options.profile):
                results["throughput"] = asyncio.run(
                    throughput(
                        amqp,
                        url,
                        options.events,
                        options.rounds,
                        batch=options.batch,
                        allocators=options.allocators,
                    )
                )
    if "kinds" in options.only:
        with database(options.database) as url, profiled(options.profile):
            results["kinds"] = asyncio.run(kinds(url, options.batch, options.batches))
    if "growth" in options.only:
        with databases(options.database, len(options.sizes), f"shared_buffers={options.buffers}") as urls:
            results["growth"] = asyncio.run(growth(urls, options.sizes, options.batch, options.batches))
    if "subnet" in options.only:
        with database(options.database) as url, profiled(options.profile):
            results["subnet"] = asyncio.run(subnet(url, options.waiting))
    return results


@contextmanager
def databases(wanted: str, count: int, *settings: str) -> Iterator[list[str]]:
    """So many databases; a named one is for a single size."""
    if wanted != PRIVATE and count > 1:
        raise SystemExit("with --database give one of --sizes")
    with ExitStack() as stack:
        yield [stack.enter_context(database(wanted, *settings)) for _ in range(count)]


@contextmanager
def profiled(lines: int) -> Iterator[None]:
    """Where our CPU time goes, to standard error."""
    if not lines:
        yield
        return
    profile = cProfile.Profile()
    with profile:
        yield
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(lines)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=["throughput", "kinds", "growth", "subnet"])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument(
        "--batch", type=int, default=AllocatorSettings().batch, help="most events in a transaction"
    )
    parser.add_argument("--allocators", type=int, nargs="+", default=[1, 2], help="so many at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument(
        "--buffers",
        default="1GB",
        help="shared_buffers of the servers of growth; default: 1GB, what 100,000 VMs need",
    )
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--waiting", type=int, default=50_000)
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--database", default=PRIVATE, help="an empty, migrated one; default: private ones")
    parser.add_argument(
        "--profile", type=int, default=0, metavar="LINES", help="also say where CPU time goes"
    )
    given = parser.parse_args()
    print(json.dumps({"benchmark": "allocator", **about_the_machine(given.amqp), **measure(given)}, indent=2))

"""Guest events from the queue to the commit, beside a bare consumer; cost per event as VMs grow; new subnets.

    python -m bench.allocator [--only throughput kinds growth subnet] [--events 10000] [--batch 200]
        [--sizes 1000 10000 100000] [--waiting 50000] [--amqp …] [--database …]

*Throughput*: of 10,000 VMs, guests repeat what is known, get other addresses of their subnets, or report for
the first time (half of those events are the VMs'); the allocator's loop takes the events from RabbitMQ and
commits records, ledger and outgoing events. The rival takes the same messages from the same queue with
aio-pika alone and does nothing with them. *Kinds*: what such events cost without a bus. *Growth*: other
addresses in batches, without a bus, on inventories of several sizes, taking turns. *Subnet*: one is created
where so many VMs wait for it. Each has databases of its own. Prints JSON.
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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage

from bench._collector import about_the_machine
from bench._servers import PRIVATE, broker, database
from services.allocator.app import collect_seldom
from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events import commands as cmd
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.topology import ALLOCATOR_FACTS, TOPOLOGY
from shared.runtime.consuming import Received, consume
from shared.runtime.publishing import publish
from shared.store.pool import Pool, open_pool
from tests.integration.allocator.story import Stage, Teller

PER_WIRE = 100
"""VMs of one port group, with a /22 of their own: each has another address in it to move to, and as many new
VMs as there are find one."""
PREFIX = 22
BATCH = 200
STRIDE = 7919
"""A prime, so that all VMs are visited before one is again."""
LOADING = 1000
THROUGHPUT_VMS = 10_000
BARS = {"throughput": 0.7, "growth": 1.3}


class Site:
    """A vCenter's inventory in a database, and events about it."""

    def __init__(self, pool: Pool, vms: int) -> None:
        self.vms = vms
        self.stage = Stage(pool)
        self._teller = Teller()
        self._moves = self._new = 0
        self._second = bytearray(vms)
        """Which VMs have their second address."""

    async def load(self) -> None:
        """All port groups with their subnets, all VMs with addresses."""
        wires = range(-(-self.vms // PER_WIRE))
        await self._tell([self._teller.portgroup(f"pg-{number}") for number in wires])
        for number in wires:
            await self.stage.subnet(f"net-{number}", f"{_in_network(number, 0)}/{PREFIX}", f"pg-{number}")
        await self._tell([self._vm(number) for number in range(self.vms)])
        await self._tell([self._guest(number) for number in range(self.vms)])
        await self.stage.pool.execute("TRUNCATE bus.outbox")
        await self.stage.pool.execute("VACUUM ANALYZE")

    def moves(self, count: int) -> list[Envelope[Event]]:
        """The next guests that get another address, spread over all VMs."""
        made = []
        for _ in range(count):
            number = self._next()
            self._second[number] ^= 1
            made.append(self._guest(number))
        return made

    def repeats(self, count: int) -> list[Envelope[Event]]:
        """The next guests, with the addresses that they have."""
        return [self._guest(self._next()) for _ in range(count)]

    def first_reports(self, count: int) -> list[Envelope[Event]]:
        """Of VMs that are not known yet: half of them the VM, half of them its guest."""
        made: list[Envelope[Event]] = []
        for _ in range(count // 2):
            wire, place = self._new % -(-self.vms // PER_WIRE), self._new * PER_WIRE // self.vms
            name, self._new = f"new{self._new}", self._new + 1
            address = _in_network(wire, 2 + 2 * PER_WIRE + place)
            made.append(self._teller.vm(name, f"pg-{wire}"))
            made.append(self._tell_of(name, wire, address))
        return made

    def kinds(self) -> dict[str, Callable[[int], list[Envelope[Event]]]]:
        """So many events that change nothing, something, and everything."""
        return {"repeat": self.repeats, "move": self.moves, "first": self.first_reports}

    def _next(self) -> int:
        self._moves += 1
        return (self._moves - 1) * STRIDE % self.vms

    async def _tell(self, facts: Sequence[Envelope[Any]]) -> None:
        for start in range(0, len(facts), LOADING):
            await self.stage.tell(*facts[start : start + LOADING])

    def _vm(self, number: int) -> Envelope[Any]:
        return self._teller.vm(f"vm{number}", f"pg-{number // PER_WIRE}")

    def _guest(self, number: int) -> Envelope[Any]:
        wire = number // PER_WIRE
        host = 2 + number % PER_WIRE + self._second[number] * PER_WIRE
        return self._tell_of(f"vm{number}", wire, _in_network(wire, host))

    def _tell_of(self, name: str, wire: int, address: str) -> Envelope[Any]:
        return self._teller.guest(name, address, gateway=_in_network(wire, 1), prefix=PREFIX)


def _in_network(number: int, host: int) -> str:
    """An address in the network of a port group."""
    return str(IPv4Address("10.0.0.0") + (number << 32 - PREFIX) + host)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    """A pool on one database."""
    pool = await open_pool(url, name="bench", command_timeout=600)
    try:
        yield pool
    finally:
        await pool.close()


async def of_allocator(
    bus: Bus, pool: Pool, events: Sequence[Envelope[Event]], batch: int = BATCH
) -> dict[str, float]:
    """Events per second from a full queue to commits."""
    await publish(bus, events)
    allocator, stop, left = Allocator(pool, AllocatorSettings()), asyncio.Event(), len(events)

    async def facts(received: Sequence[Received]) -> None:
        nonlocal left
        await allocator.facts(received)
        left -= len(received)
        if left <= 0:
            stop.set()

    wall, cpu = time.perf_counter(), time.process_time()
    await consume(
        bus, ALLOCATOR_FACTS, facts, stop=stop, batch=batch, linger=timedelta(milliseconds=5), name="bench"
    )
    return _per_event(len(events), wall, cpu)


async def of_bare_consumer(url: str, bus: Bus, events: Sequence[Envelope[Event]]) -> dict[str, float]:
    """The same with aio-pika alone: messages into an asyncio queue, one acknowledgement for a batch."""
    await publish(bus, events)
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(2 * BATCH)
        queue = await channel.get_queue(ALLOCATOR_FACTS)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        wall, cpu = time.perf_counter(), time.process_time()
        await queue.consume(arrived.put)
        left = len(events)
        while left:
            message, taken = await arrived.get(), 1
            while taken < BATCH and not arrived.empty():
                message, taken = arrived.get_nowait(), taken + 1
            await message.ack(multiple=True)
            left -= taken
        return _per_event(len(events), wall, cpu)


def _per_event(count: int, wall: float, cpu: float) -> dict[str, float]:
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_second": round(count / wall), "our_cpu_us": round(cpu / count * 1e6, 1)}


async def throughput(amqp: str, url: str, count: int, rounds: int, batch: int) -> dict[str, Any]:
    """The allocator beside the bare consumer, taking turns on one queue with the same messages."""
    found: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {}
    async with opened(url) as pool:
        site = Site(pool, THROUGHPUT_VMS)
        await site.load()
        bus = await connect_bus(amqp_url=amqp, database_url=url, name="bench")
        await bus.declare(TOPOLOGY)
        for _ in range(rounds):
            for kind, told in site.kinds().items():
                events = told(count)
                bare = await of_bare_consumer(amqp, bus, events)
                found.setdefault(kind, []).append((await of_allocator(bus, pool, events, batch), bare))
                await pool.execute("TRUNCATE bus.outbox")
        await bus.close()
    return {
        "vms": THROUGHPUT_VMS,
        "events": count,
        "batch": batch,
        "bar": BARS["throughput"],
        **{
            kind: {
                "allocator": [ours for ours, _ in pairs],
                "bare_aio_pika": [bare for _, bare in pairs],
                "of_bare": round(statistics.median(o["per_second"] / b["per_second"] for o, b in pairs), 3),
            }
            for kind, pairs in found.items()
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
                took.setdefault(kind, []).append(_per_event(batch, wall, cpu))
    return {
        kind: {what: statistics.median(each[what] for each in found[2:]) for what in found[0]}
        for kind, found in took.items()
    }


async def growth(urls: Sequence[str], sizes: Sequence[int], batches: int) -> dict[str, Any]:
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
        for _ in range(batches):
            for site in sites:
                events = site.moves(BATCH)
                began = time.perf_counter()
                await site.stage.tell(*events)
                took[site.vms].append((time.perf_counter() - began) / BATCH * 1e6)
    costs = {size: statistics.median(found[2:]) for size, found in took.items()}
    return {
        "us_per_event": {str(size): round(cost) for size, cost in costs.items()},
        "largest_to_smallest": round(costs[max(sizes)] / costs[min(sizes)], 2),
        "bar": BARS["growth"],
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
                    throughput(amqp, url, options.events, options.rounds, options.batch)
                )
    if "kinds" in options.only:
        with database(options.database) as url, profiled(options.profile):
            results["kinds"] = asyncio.run(kinds(url, options.batch, options.batches))
    if "growth" in options.only:
        with databases(options.database, len(options.sizes)) as urls:
            results["growth"] = asyncio.run(growth(urls, options.sizes, options.batches))
    if "subnet" in options.only:
        with database(options.database) as url, profiled(options.profile):
            results["subnet"] = asyncio.run(subnet(url, options.waiting))
    return results


@contextmanager
def databases(wanted: str, count: int) -> Iterator[list[str]]:
    """So many databases; a named one is for a single size."""
    if wanted != PRIVATE and count > 1:
        raise SystemExit("with --database give one of --sizes")
    with ExitStack() as stack:
        yield [stack.enter_context(database(wanted)) for _ in range(count)]


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
    parser.add_argument("--batch", type=int, default=BATCH, help="most events in a transaction")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--waiting", type=int, default=50_000)
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--database", default=PRIVATE, help="an empty, migrated one; default: private ones")
    parser.add_argument(
        "--profile", type=int, default=0, metavar="LINES", help="also say where CPU time goes"
    )
    given = parser.parse_args()
    print(json.dumps({"benchmark": "allocator", **about_the_machine(given.amqp), **measure(given)}, indent=2))

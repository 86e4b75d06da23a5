"""Replay: events a second out of the log into a queue, into a file and back; and into a fresh database.

    python -m bench.replay [--bus embedded|rabbitmq] [--events 100000] [--allocate 100000] [--identical]

Starts a private PostgreSQL, and with `--bus rabbitmq` a private RabbitMQ. The log is a generated one: VMs of
two vCenters that move and change addresses, half of all events said before. `allocate` events are then taken
by the allocator's own consuming loop into an empty database. With `--identical` the log is instead
taken whole, played twice and shuffled through a file into a second database, and both are compared row by
row; it ends with 1 when a row differs. Prints JSON. Servers, bus and allocator share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import structlog

from bench._servers import EMBEDDED, PRIVATE, broker, database
from services.allocator.handlers import Allocator
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.topology import ALLOCATOR_FACTS, TOPOLOGY
from shared.replay import jobs, running
from shared.replay.files import EventWriter, read_events
from shared.replay.finding import stretch
from shared.replay.plan import Plan, Progress, Target
from shared.replay.targets import make_queue
from shared.runtime.consuming import Received, consume
from shared.store.pool import Pool, open_pool
from tests.integration.replay.generated import differences, facts, messages, rows, with_subnets

QUEUE = "bench.replayed"
PUBLISHED = 5000
BATCH = 200


async def measured(count: int, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Seconds, events per second, and this process's CPU per event in microseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "seconds": round(wall, 2),
        "events_per_second": round(count / wall),
        "cpu_us_per_event": round(cpu / count * 1e6, 1),
    }


async def fill(bus: Bus, count: int) -> None:
    """The log."""
    await bus.declare(TOPOLOGY)
    window = []
    for envelope in facts(count):
        window.append(envelope)
        if len(window) == PUBLISHED:
            await bus.publish(messages(window))
            window = []
    await bus.publish(messages(window))


async def empty(bus: Bus, queue: str, count: int) -> None:
    """Take `count` messages out of a queue."""
    async with bus.consume(queue, prefetch=2000) as consumer:
        while count > 0:
            taken = await consumer.batch(1000)
            await consumer.ack(taken[-1])
            count -= len(taken)


async def play(bus: Bus, pool: Pool, plan: Plan, size: int = 0) -> Progress:
    """A replay from beginning to end, as the command does it."""
    replay = await jobs.create(pool, plan, "bench", size)
    async with jobs.claimed(pool, replay.id) as claim:
        return await running.run(bus, claim, asyncio.Event(), lambda _: None)


async def allocate(bus: Bus, allocator: Allocator, count: int) -> None:
    """Let an allocator take `count` facts from its queue."""
    stop = asyncio.Event()
    left = count

    async def handler(received: Sequence[Received]) -> None:
        nonlocal left
        await allocator.facts(received)
        left -= len(received)
        if left <= 0:
            stop.set()

    await consume(bus, ALLOCATOR_FACTS, handler, stop=stop, batch=BATCH, name="bench")


async def into_file(bus: Bus, pool: Pool, path: Path) -> Progress:
    """The whole log into a file."""
    found = await stretch(bus, "first", "last")
    writer = EventWriter.create(path, {})
    plan = Plan(first=found.first, last=found.last, target=Target(file=str(path)))
    return await play(bus, pool, plan, writer.size)


async def rates(bus: Bus, pool: Pool, folder: Path, count: int) -> dict[str, Any]:
    """Log to queue, log to file, file to queue."""
    await make_queue(bus, QUEUE)
    found = await stretch(bus, "first", "last")
    log = Plan(first=found.first, last=found.last, target=Target(queue=QUEUE))
    result: dict[str, Any] = {"log_to_queue": await measured(count, lambda: play(bus, pool, log))}
    await empty(bus, QUEUE, count)
    for name in ("log.jsonl", "log.jsonl.gz"):
        path = folder / name
        result[f"log_to_{name}"] = await measured(count, partial(into_file, bus, pool, path))
        result[f"log_to_{name}"]["bytes_per_event"] = round(path.stat().st_size / count)
        file = Plan(file=str(path), first=1, last=count, target=Target(queue=QUEUE))
        result[f"{name}_to_queue"] = await measured(count, partial(play, bus, pool, file))
        await empty(bus, QUEUE, count)
    return result


async def in_order(bus: Bus, pool: Pool, count: int) -> dict[str, Any]:
    """The allocator's queue, filled when the log was, into a database with nothing but its subnets."""
    allocator = await with_subnets(pool)
    took = await measured(count, lambda: allocate(bus, allocator, count))
    return {**took, "events": count, "seconds_per_100000": round(took["seconds"] * 100_000 / count, 1)}


async def shuffled(second: Place, pool: Pool, path: Path, count: int) -> dict[str, Any]:
    """The log in `path` twice, in any order, into a second place; and what is different there from `pool`."""
    mixed = path.with_name("mixed.jsonl")
    entries = [entry for _, entry in read_events(path)] * 2
    Random(7).shuffle(entries)  # noqa: S311  the same order in every run
    EventWriter.create(mixed, {}).write(entries)
    async with opened(second) as (bus, other):
        await bus.declare(TOPOLOGY)
        allocator = await with_subnets(other)
        plan = Plan(file=str(mixed), first=1, last=2 * count, target=Target(queue=ALLOCATOR_FACTS))
        played = await measured(2 * count, lambda: play(bus, other, plan))
        allocated = await measured(2 * count, lambda: allocate(bus, allocator, 2 * count))
        different = [row async for row in differences(pool, other)]
        for row in different[:20]:
            print(row, file=sys.stderr)
        counts = await rows(pool)
    return {
        "played": played,
        "allocated": allocated,
        "rows": counts,
        "rows_compared": sum(counts.values()),
        "rows_different": len(different),
    }


class Place(NamedTuple):
    """A bus and a database."""

    amqp: str | None
    database: str


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[tuple[Bus, Pool]]:
    """Connections to both."""
    bus = await connect_bus(amqp_url=place.amqp, database_url=place.database, name="bench")
    pool = await open_pool(place.database, name="bench")
    try:
        yield bus, pool
    finally:
        await bus.close()
        pool.terminate()


async def run(first: Place, second: Place, given: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    events: int = given.events
    async with opened(first) as (bus, pool):
        with TemporaryDirectory() as name:
            folder = Path(name)
            result: dict[str, Any] = {"filled": await measured(events, lambda: fill(bus, events))}
            if not given.identical:
                result |= await rates(bus, pool, folder, events)
                result["log_to_allocator"] = await in_order(bus, pool, min(given.allocate, events))
                return result
            whole = folder / "log.jsonl"
            result["log_to_file"] = await measured(events, partial(into_file, bus, pool, whole))
            result["log_to_allocator"] = await in_order(bus, pool, events)
            result["identical"] = await shuffled(second, pool, whole, events)
            return result


def main() -> int:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bus", choices=[EMBEDDED, "rabbitmq"], default=EMBEDDED)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--allocate", type=int, default=100_000)
    parser.add_argument("--identical", action="store_true", help="twice and shuffled, compared row by row")
    given = parser.parse_args()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # the result goes to stdout
        wrapper_class=structlog.make_filtering_bound_logger(40),
    )
    wanted = EMBEDDED if given.bus == EMBEDDED else PRIVATE
    load = os.getloadavg()[0]
    other = wanted if given.identical else EMBEDDED
    with (
        broker(wanted) as amqp,
        broker(other) as second_amqp,
        database(PRIVATE) as url,
        database(PRIVATE) as second_url,
    ):
        results = asyncio.run(run(Place(amqp, url), Place(second_amqp, second_url), given))
    report = {
        "benchmark": "replay",
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "load_before": round(load, 1),
            "load_after": round(os.getloadavg()[0], 1),
        },
        "versions": {name: version(name) for name in ("aio-pika", "asyncpg", "pydantic")}
        | {"python": platform.python_version()},
        "sizes": {"bus": given.bus, "events": given.events, "window": running.WINDOW, "batch": BATCH},
        "results": results,
    }
    print(json.dumps(report, indent=2))
    return 1 if results.get("identical", {}).get("rows_different") else 0


if __name__ == "__main__":
    sys.exit(main())

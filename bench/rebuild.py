"""Rebuild: the state of 100,000 events made again from the log, compared row by row, and put in place.

    python -m bench.rebuild [--events 100000] [--bus embedded|rabbitmq]

Starts a private PostgreSQL, and with `--bus rabbitmq` a private RabbitMQ. The log is a generated one: VMs
of two vCenters that move and change addresses, half of all events said before. An allocator makes the live
state of it first. `play` is the log alone into an empty database; `verify` all of `patchbay rebuild
--verify`; `replace` all of `--replace`. Prints JSON; ends with 1 when a row differs. Servers and rebuild
share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from bench._servers import EMBEDDED, PRIVATE, broker, database
from bench.replay import allocate, fill
from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from services.cli.rebuilding.building import Source, built
from services.cli.rebuilding.building import fill as play_log
from services.cli.rebuilding.origins import FromLog
from services.cli.rebuilding.replacing import replace
from services.cli.rebuilding.telling import Teller
from services.cli.rebuilding.verifying import verify
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus, Delivery
from shared.events.commands import SubnetCreate
from shared.events.envelope import wrap
from shared.events.topology import TOPOLOGY
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of
from shared.state.files import check_snapshot, save_snapshot
from shared.state.positions import unpublished
from shared.store.pool import Pool, open_pool, transaction
from tests.integration.allocator.story import VC1
from tests.integration.allocator.story import Teller as Facts
from tests.integration.replay.generated import NETWORKS, messages

QUIET = Teller(quiet=True)


class Clock:
    """Wall clock and this process's CPU of one step."""

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def per_100_000(self, events: int) -> dict[str, float]:
        """Seconds for 100,000 events at this pace."""
        return {
            "seconds": round(self.wall, 1),
            "seconds_per_100000_events": round(self.wall * 100_000 / events, 1),
            "cpu_seconds_per_100000_events": round(self.cpu * 100_000 / events, 1),
        }


async def measured(bus: Bus, url: str, events: int) -> dict[str, Any]:
    """Play, verify, snapshot, replace."""
    source = Source(url, bus, AllocatorSettings(), url)
    found: dict[str, Any] = {}
    async with built(source, "bench") as state:
        with Clock() as clock:
            await play_log(source, state, "first", QUIET)
        found["play"] = clock.per_100_000(events)
    with Clock() as clock:
        verdict = await verify(source, FromLog(), QUIET)
    found["verify"] = clock.per_100_000(events) | {
        "equal": verdict.equal,
        "rows": verdict.rows,
        "differences": dict(verdict.by_table),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.jsonl.gz"
        with Clock() as clock:
            head = await save_snapshot(url, file, None)
        wrote = clock.wall
        with Clock() as clock:
            check_snapshot(file)
        found["snapshot"] = {
            "rows": head.rows,
            "mb": round(file.stat().st_size / 1e6, 2),
            "export_seconds": round(wrote, 2),
            "check_seconds": round(clock.wall, 2),
        }
    with Clock() as clock:
        replaced = await replace(source, FromLog(), QUIET)
    found["replace"] = clock.per_100_000(events) | {"rows": replaced.rows}
    return found


async def _with_subnets(bus: Bus, pool: Pool) -> Allocator:
    """An allocator with a subnet for each port group; port groups and decisions are in the log."""
    allocator = Allocator(pool, AllocatorSettings())
    say = Facts(VC1)
    groups = [say.portgroup(f"pg-{number}") for number in range(NETWORKS)]
    await bus.publish(messages(groups))
    await allocator.apply(groups)
    for number in range(NETWORKS):
        command = SubnetCreate(
            name=f"s{number}", prefix=f"10.{number}.0.0/16", wire=f"pg-{number}", by="anna"
        )
        envelope = wrap(command, source="cli", time=say.now(), id=str(UUID(int=number + 1)))
        await allocator.command(Received(envelope, Delivery(message_of(envelope), "commands", 1, 1)))
    async with transaction(pool) as conn:
        told = await unpublished(conn)
        await conn.execute("DELETE FROM bus.outbox")
    await bus.publish(told)
    return allocator


async def run(amqp: str | None, url: str, events: int) -> dict[str, Any]:
    """The live state first, then all that is measured."""
    bus = await connect_bus(amqp_url=amqp, database_url=url, name="bench")
    pool = await open_pool(url, name="bench")
    try:
        await bus.declare(TOPOLOGY)
        allocator = await _with_subnets(bus, pool)
        await fill(bus, events)
        with Clock() as clock:
            await allocate(bus, allocator, events + NETWORKS)
        return {"live": clock.per_100_000(events), **await measured(bus, url, events)}
    finally:
        await bus.close()
        pool.terminate()


def main() -> int:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--bus", choices=[EMBEDDED, "rabbitmq"], default=EMBEDDED)
    given = parser.parse_args()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # the result goes to stdout
        wrapper_class=structlog.make_filtering_bound_logger(40),
    )
    load = os.getloadavg()[0]
    with broker(EMBEDDED if given.bus == EMBEDDED else PRIVATE) as amqp, database(PRIVATE) as url:
        results = asyncio.run(run(amqp, url, given.events))
    report = {
        "benchmark": "rebuild",
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "load_before": round(load, 1),
            "load_after": round(os.getloadavg()[0], 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
        "versions": {name: version(name) for name in ("aio-pika", "asyncpg", "pydantic")}
        | {"python": platform.python_version()},
        "sizes": {"bus": given.bus, "events": given.events},
        "results": results,
    }
    print(json.dumps(report, indent=2))
    return 0 if results["verify"]["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())

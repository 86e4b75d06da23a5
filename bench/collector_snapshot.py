"""How long a full read takes, vCenter to confirmed events, and what it costs the collector's process.

    python -m bench.collector_snapshot [--vms 1000 10000 50000] [--database postgresql://…] [--amqp amqp://…|embedded]

The simulated vCenter runs in a process of its own, and so does each size, for its peak memory. Without a
database a private PostgreSQL is started, without AMQP a private RabbitMQ; `embedded` is the embedded bus.
CPU is the collector's process alone, all of it: SOAP, decoding, facts, database, bus. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

from bench._collector import PACE, PASSWORD, USER, about_the_machine, counted, simulator
from bench._servers import EMBEDDED, PRIVATE, broker
from services.collector.app import run
from services.collector.registry import NewVcenter, add, get
from services.collector.settings import CollectorSettings, Settings
from shared.runtime.environment import open_platform

BARS = {"cpu_us_per_vm": 400, "peak_rss_mb_at_50000": 400}


async def measure(settings: Settings, vms: int, secret: Path) -> dict[str, Any]:
    """One snapshot of a vCenter with so many VMs."""
    async with simulator(vms) as url, open_platform(settings, name="bench") as ground:
        stop = asyncio.Event()
        vcenter = await add(ground.pool, NewVcenter("bench", url, f"text:{USER}", f"file:{secret}"))
        idle_mb = _peak_mb()
        before, began = time.process_time(), time.perf_counter()
        task = asyncio.create_task(run(settings, ground, stop))
        while (await get(ground.pool, vcenter.id)).state != "watching":  # noqa: ASYNC110  a table is polled
            await asyncio.sleep(PACE)
        seconds, cpu = time.perf_counter() - began, time.process_time() - before
        events = counted("facts_total")
        stages = {
            "decode": counted("decode_seconds_total"),
            "facts": counted("translate_seconds_total"),
        }
        stop.set()
        await task
    return {
        "vms": vms,
        "seconds": round(seconds, 2),
        "events": int(events),
        "events_per_second": round(events / seconds),
        "cpu_seconds": round(cpu, 2),
        "cpu_us_per_vm": round(cpu / vms * 1e6),
        "cpu_share": {name: round(spent / cpu, 2) for name, spent in stages.items()}
        | {"transport, database and bus": round(1 - sum(stages.values()) / cpu, 2)},
        "pages": int(counted("pages_total")),
        "idle_rss_mb": idle_mb,
        "peak_rss_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


async def one_size(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement itself, in a process of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "password"
        secret.write_text(PASSWORD)
        settings = Settings(
            collector=CollectorSettings(),
            data_dir=Path(folder) / "data",
            database_url=arguments.database,
            amqp_url=None if arguments.amqp == EMBEDDED else arguments.amqp,
        )
        return await measure(settings, arguments.one, secret)


def every_size(arguments: argparse.Namespace) -> dict[str, Any]:
    """All sizes, each in a fresh process, and how the cost grows between them."""
    report = about_the_machine(arguments.amqp)
    runs = []
    for vms in arguments.vms:
        with broker(arguments.amqp) as amqp:
            command = [sys.executable, "-m", "bench.collector_snapshot", "--one", str(vms)]
            command += ["--database", arguments.database] if arguments.database else []
            command += ["--amqp", amqp or EMBEDDED]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603  ourselves
        runs.append(json.loads(done.stdout))
    growth = [
        {
            "vms": f"{smaller['vms']} to {larger['vms']}",
            "vms_times": round(larger["vms"] / smaller["vms"], 1),
            "cpu_times": round(larger["cpu_seconds"] / smaller["cpu_seconds"], 1),
            "seconds_times": round(larger["seconds"] / smaller["seconds"], 1),
        }
        for smaller, larger in pairwise(runs)
    ]
    settings = CollectorSettings()
    return {
        "benchmark": "collector_snapshot",
        **report,
        "page_objects": settings.page_objects,
        "bars": BARS,
        "runs": runs,
        "growth": growth,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vms", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--database")
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(one_size(given)) if given.one else every_size(given), indent=2))

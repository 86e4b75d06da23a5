"""How long a full read takes, vCenter to confirmed events, and what it costs the collector's process.

    python -m bench.collector_snapshot [--vms 1000 10000] [--database postgresql://…] [--amqp amqp://…]

The simulated vCenter runs in a process of its own, so that its work is not counted. Without a database a
private PostgreSQL is started, without AMQP the embedded bus is used. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from services.collector.app import run
from services.collector.registry import NewVcenter, add, get, remove
from services.collector.settings import CollectorSettings, Settings
from shared.runtime.environment import open_platform
from tests.servers.processes import free_port, listens

PASSWORD = "vmware"  # noqa: S105  the simulator's
PACE = 0.05


@asynccontextmanager
async def simulator(vms: int) -> AsyncIterator[str]:
    """A simulated vCenter in its own process; its URL."""
    port = free_port()
    environment = os.environ | {
        "PATCHBAY_SIMULATOR__PORT": str(port),
        "PATCHBAY_SIMULATOR__VMS": str(vms),
        "PATCHBAY_SIMULATOR__PASSWORD": PASSWORD,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.simulator", env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while not listens(port):  # noqa: ASYNC110  another process
            await asyncio.sleep(PACE)
        yield f"http://127.0.0.1:{port}/sdk"
    finally:
        process.terminate()
        await process.wait()


async def measure(settings: Settings, vms: int, secret: Path) -> dict[str, Any]:
    """One snapshot of a vCenter with so many VMs."""
    async with simulator(vms) as url, open_platform(settings, name="bench") as ground:
        stop = asyncio.Event()
        vcenter = await add(
            ground.pool, NewVcenter("bench", url, "text:administrator@vsphere.local", f"file:{secret}")
        )
        before, began = time.process_time(), time.perf_counter()
        task = asyncio.create_task(run(settings, ground, stop))
        while (await get(ground.pool, vcenter.id)).state != "watching":  # noqa: ASYNC110  a table is polled
            await asyncio.sleep(PACE)
        seconds, cpu = time.perf_counter() - began, time.process_time() - before
        stop.set()
        await task
        await remove(ground.pool, vcenter.id)
    return {
        "vms": vms,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "cpu_us_per_vm": round(cpu / vms * 1e6),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


async def main(arguments: argparse.Namespace) -> dict[str, Any]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "password"
        secret.write_text(PASSWORD)
        settings = Settings(
            collector=CollectorSettings(),
            data_dir=Path(folder) / "data",
            database_url=arguments.database,
            amqp_url=arguments.amqp,
        )
        runs = [await measure(settings, vms, secret) for vms in arguments.vms]
    return {
        "benchmark": "collector_snapshot",
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "versions": {name: version(name) for name in ("pyvmomi", "pydantic", "asyncpg", "aio-pika")},
        "bus": "rabbitmq" if arguments.amqp else "embedded",
        "page_objects": settings.collector.page_objects,
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vms", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--database")
    parser.add_argument("--amqp")
    print(json.dumps(asyncio.run(main(parser.parse_args())), indent=2))

"""What the collector's benchmarks stand on: a simulated vCenter in another process, a bus, settings."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from prometheus_client import REGISTRY

from bench._servers import EMBEDDED
from tests.servers.processes import free_port, listens

PASSWORD = "vmware"  # noqa: S105  the simulator's
USER = "administrator@vsphere.local"
PACE = 0.05


@asynccontextmanager
async def process(*command: str, port: int, **settings: object) -> AsyncIterator[str]:
    """A Python process that listens on `port`, with the simulator's settings; its vCenter's URL."""
    given = {f"PATCHBAY_SIMULATOR__{name.upper()}": str(value) for name, value in settings.items()}
    environment = os.environ | given | {"PATCHBAY_SIMULATOR__PORT": str(port)}
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not listens(port):
            if running.returncode is not None:
                raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}")
            await asyncio.sleep(PACE)
        yield f"http://127.0.0.1:{port}/sdk"
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


@asynccontextmanager
async def simulator(vms: int) -> AsyncIterator[str]:
    """A simulated vCenter with so many VMs; its URL."""
    async with process("-m", "services.simulator", port=free_port(), vms=vms) as url:
        yield url


def counted(name: str) -> float:
    """Sum of a metric of the collector's over all its labels."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"patchbay_collector_{name}"
    )


def by_label(name: str, label: str) -> dict[str, float]:
    """A metric of the collector's by one of its labels."""
    return {
        sample.labels[label]: sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"patchbay_collector_{name}" and sample.value
    }


def about_the_machine(amqp: str) -> dict[str, Any]:
    """Where figures come from."""
    names = ("pyvmomi", "lxml", "pydantic", "asyncpg", "aio-pika")
    return {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": [round(load, 1) for load in os.getloadavg()],
        },
        "versions": {name: version(name) for name in names},
        "bus": EMBEDDED if amqp == EMBEDDED else "rabbitmq",
    }

"""How fast the simulator is: start of a world, first snapshot, changes; JSON on standard output.

python -m bench.simulator [--vms 10000] [--changes 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from typing import Any

import aiohttp
import structlog

from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.churn import Churn
from services.simulator.settings import SimulatorSettings
from services.simulator.world.world import generate

ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)
VM_PATHS = (
    "name", "config.uuid", "config.instanceUuid", "config.template", "config.hardware.device",
    "config.hardware.numCPU", "config.hardware.memoryMB", "guest.net", "guest.ipStack", "guest.ipAddress",
    "guest.hostName", "guest.toolsRunningStatus", "runtime.host", "runtime.powerState",
    "runtime.connectionState",
)  # fmt: skip


class Wire:
    """A client that sends and reads bytes and looks at nothing else, so that it costs next to nothing."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self.received = 0

    async def call(self, body: str) -> str:
        async with self._http.post(self._url, data=ENVELOPE.format(body)) as answer:
            raw = await answer.read()
        self.received += len(raw)
        return raw.decode()

    async def watch(self) -> None:
        """Log in, and filter on every VM."""
        await self.call(
            '<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
            "<userName>administrator@vsphere.local</userName><password>vmware</password></Login>"
        )
        view = await self.call(
            '<CreateContainerView xmlns="urn:vim25"><_this type="ViewManager">ViewManager</_this>'
            '<container type="Folder">group-d-1</container><type>VirtualMachine</type>'
            "<recursive>true</recursive></CreateContainerView>"
        )
        moid = between(view, '"ContainerView">', "<")
        paths = "".join(f"<pathSet>{path}</pathSet>" for path in VM_PATHS)
        await self.call(
            '<CreateFilter xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this><spec>'
            f"<propSet><type>VirtualMachine</type><all>false</all>{paths}</propSet>"
            f'<objectSet><obj type="ContainerView">{moid}</obj><skip>true</skip>'
            '<selectSet xsi:type="TraversalSpec"><name>v</name><type>ContainerView</type><path>view</path>'
            "<skip>false</skip></selectSet></objectSet></spec><partialUpdates>true</partialUpdates></CreateFilter>"
        )

    async def wait(self, at: str, seconds: int) -> tuple[str, bool, int]:
        """The next version, whether there is more at once, and how many objects came."""
        answer = await self.call(
            '<WaitForUpdatesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this>'
            f"<version>{at}</version><options><maxWaitSeconds>{seconds}</maxWaitSeconds></options>"
            "</WaitForUpdatesEx>"
        )
        found = between(answer, "<version>", "<")
        return found or at, "<truncated>true" in answer, answer.count("<objectSet>")


def between(text: str, start: str, end: str) -> str:
    """What stands after `start` up to `end`; empty when `start` is not there."""
    return text.partition(start)[2].partition(end)[0]


async def snapshot(wire: Wire) -> tuple[str, dict[str, Any]]:
    """Read everything once through updates."""
    at, more, objects = "", True, 0
    began, burnt = time.perf_counter(), time.process_time()
    slowest = 0.0
    pages = 0
    while more:
        page = time.perf_counter()
        at, more, count = await wire.wait(at, 0)
        slowest = max(slowest, time.perf_counter() - page)
        objects += count
        pages += 1
    seconds = time.perf_counter() - began
    return at, {
        "objects": objects,
        "pages": pages,
        "seconds": round(seconds, 3),
        "objects_per_second": round(objects / seconds),
        "cpu_microseconds_per_object": round((time.process_time() - burnt) / max(objects, 1) * 1e6),
        "slowest_page_seconds": round(slowest, 3),
        "megabytes": round(wire.received / 1e6, 1),
    }


async def changes(wire: Wire, running: RunningSimulator, at: str, count: int) -> dict[str, Any]:
    """Change things as fast as a watching client can follow one by one."""
    churn = Churn(running.world, {"address": 5, "move": 2, "docker": 2, "rename": 1}, 1)
    seen = 0
    began, burnt = time.perf_counter(), time.process_time()
    for _ in range(count):
        churn.step()
        at, _, objects = await wire.wait(at, 0)
        seen += objects
    seconds = time.perf_counter() - began
    return {
        "changes": count,
        "objects_seen": seen,
        "seconds": round(seconds, 3),
        "changes_per_second": round(count / seconds),
        "cpu_microseconds_per_change": round((time.process_time() - burnt) / max(count, 1) * 1e6),
    }


async def measure(vms: int, count: int) -> dict[str, Any]:
    """All figures for one size."""
    began, burnt = time.perf_counter(), time.process_time()
    world = generate(1, vms)
    made, made_cpu = time.perf_counter() - began, time.process_time() - burnt
    settings = SimulatorSettings(port=0, vms=vms, boot_seconds=0)
    async with (
        simulated_vcenter(settings, world) as running,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        ready = time.perf_counter() - began
        wire = Wire(http, running.url)
        await wire.watch()
        at, first = await snapshot(wire)
        return {
            "vms": vms,
            "generated_seconds": round(made, 3),
            "generated_cpu_seconds": round(made_cpu, 3),
            "ready_seconds": round(ready, 3),
            "snapshot": first,
            "changes": await changes(wire, running, at, count),
            "max_rss_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vms", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=2_000)
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    result = {
        "bench": "simulator",
        "machine": {"cpus": os.cpu_count(), "platform": platform.platform()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("aiohttp", "lxml", "patchbay")},
        },
        **asyncio.run(measure(arguments.vms, arguments.changes)),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

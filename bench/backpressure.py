"""A broker that takes nothing while a vCenter changes: the collector waits, and its memory stays flat.

    python -m bench.backpressure [--rate 500] [--vms 2000] [--before 10] [--blocked 60] [--after 15]

The vCenter, the collector and the broker are processes of their own; the broker's memory alarm is raised for
`--blocked` seconds. Each second the collector's resident memory and what it says of itself are noted.
`flat` compares the largest while blocked with the largest before. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from bench._collector import PACE, PASSWORD, USER, about_the_machine, process
from bench._servers import PRIVATE, database
from services.collector.registry import NewVcenter, add, get
from shared.runtime.environment import open_platform
from shared.runtime.settings import CoreSettings
from tests.integration.bus.alarms import alarm
from tests.servers.processes import free_port
from tests.servers.rabbitmq import PrivateRabbit, find_scripts

BAR = 1.1
"""Largest memory while blocked against the largest before."""


class Collector:
    """A collector's process, seen from outside."""

    def __init__(self, pid: int, port: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._address = f"http://127.0.0.1:{port}"

    def sample(self) -> dict[str, Any]:
        """Memory in MB, answers read and facts confirmed so far, and why it is not ready."""
        lines = self._status.read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        metrics = self._get("/metrics").splitlines()
        return {
            "mb": round(kilobytes / 1024, 1),
            "answers": _sum(metrics, "patchbay_collector_pages_total"),
            "facts": _sum(metrics, "patchbay_collector_facts_total"),
            "says": json.loads(self._get("/readyz"))["reasons"].get("bus"),
        }

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self._address + path, timeout=5) as answer:  # noqa: S310  our own
                text: bytes = answer.read()
        except urllib.error.HTTPError as unready:
            text = unready.read()
        return text.decode()


def _sum(lines: list[str], name: str) -> int:
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{")))


@asynccontextmanager
async def collector(environment: dict[str, str]) -> AsyncIterator[Collector]:
    """A collector's process with these settings."""
    port = free_port()
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.collector",
        env=os.environ | environment | {"PATCHBAY_HTTP__PORT": str(port)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Collector(running.pid, port)
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


async def sampled(watched: Collector, seconds: float, phase: str) -> list[dict[str, Any]]:
    """A sample each second."""
    samples, began = [], time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        samples.append({"phase": phase, "second": round(at), **await asyncio.to_thread(watched.sample)})
        await asyncio.sleep(1)
    return samples


async def measure(broker: PrivateRabbit, url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Samples of all phases, and what they come to."""
    amqp = broker.vhost()
    environment = {"PATCHBAY_DATABASE_URL": url, "PATCHBAY_AMQP_URL": amqp}
    command = ("-m", "bench.collector_steady", "--vcenter", str(options.rate))
    settings = CoreSettings(database_url=url, amqp_url=amqp)
    with tempfile.NamedTemporaryFile("w", suffix=".secret") as secret:
        secret.write(PASSWORD)
        secret.flush()
        async with (
            process(*command, port=free_port(), vms=options.vms) as vcenter_url,
            open_platform(settings, name="bench") as ground,
            collector(environment) as watched,
        ):
            new = NewVcenter("changing", vcenter_url, f"text:{USER}", f"file:{secret.name}")
            vcenter = await add(ground.pool, new)
            while (await get(ground.pool, vcenter.id)).state != "watching":  # noqa: ASYNC110  a table
                await asyncio.sleep(PACE)
            before = await sampled(watched, options.before, "before")
            async with alarm(broker, "memory"):
                blocked = await sampled(watched, options.blocked, "blocked")
            after = await sampled(watched, options.after, "after")
    return report(before, blocked, after)


def report(
    before: list[dict[str, Any]], blocked: list[dict[str, Any]], after: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the samples say."""
    waiting = [sample for sample in blocked if sample["says"]]
    most = {"before": max(s["mb"] for s in before), "blocked": max(s["mb"] for s in waiting)}
    ratio = most["blocked"] / most["before"]
    return {
        "mb": most | {"after": max(sample["mb"] for sample in after)},
        "blocked_to_before": round(ratio, 3),
        "bar": BAR,
        "flat": ratio <= BAR,
        "said": sorted({sample["says"] for sample in waiting}),
        "answers_read_while_blocked": waiting[-1]["answers"] - waiting[0]["answers"],
        "facts_confirmed_while_blocked": waiting[-1]["facts"] - waiting[0]["facts"],
        "facts_confirmed_after": after[-1]["facts"] - waiting[-1]["facts"],
        "ready_again": after[-1]["says"] is None,
        "samples": before + blocked + after,
    }


def main(options: argparse.Namespace) -> dict[str, Any]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    scripts = find_scripts()
    if scripts is None:
        raise SystemExit("a RabbitMQ of our own is needed: apt-get install rabbitmq-server")
    broker = PrivateRabbit(scripts)
    broker.start()
    try:
        with database(options.database) as url:
            about = about_the_machine("private")
            result = asyncio.run(measure(broker, url, options))
    finally:
        broker.stop()
    return {"benchmark": "backpressure", **about, "changes_per_second": options.rate, **result}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--before", type=float, default=10)
    parser.add_argument("--blocked", type=float, default=60)
    parser.add_argument("--after", type=float, default=15)
    parser.add_argument("--database", default=PRIVATE, help="a migrated one; default: a private PostgreSQL")
    print(json.dumps(main(parser.parse_args()), indent=2))

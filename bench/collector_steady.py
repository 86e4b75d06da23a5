"""From a change in the vCenter to the bus's confirmation of the event about it, at a steady rate.

    python -m bench.collector_steady [--rates 200 1000] [--seconds 20] [--vms 5000] [--amqp amqp://…|embedded]

The vCenter, in a process of its own, renames one VM after the other; the new name holds the time of the
change, on the clock that all processes of a machine share. The time of an event is when the bus has confirmed
it. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import structlog

from bench._collector import PACE, PASSWORD, USER, about_the_machine, by_label, counted, process
from bench._servers import PRIVATE, broker
from services.collector.app import run
from services.collector.registry import NewVcenter, add, get
from services.collector.settings import CollectorSettings, Settings
from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.bus.port import Bus, Message
from shared.runtime.environment import Platform, open_platform
from tests.servers.processes import free_port

_TIMED = re.compile(rb'"name":"changed at (\d+)"')
WARM_UP_SECONDS = 3.0


class TimedBus:
    """A bus that notes, for each event about a changed VM, how old the change is when it is confirmed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.ages: list[float] = []

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        await self._bus.publish(messages, to_queue=to_queue)
        now = time.monotonic_ns()
        found = (_TIMED.search(message.body) for message in messages)
        self.ages += [(now - int(changed[1])) / 1e6 for changed in found if changed]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


async def change_steadily(rate: float) -> None:
    """A vCenter that changes `rate` times a second, until it is ended."""
    port, vms = (int(os.environ[f"PATCHBAY_SIMULATOR__{name}"]) for name in ("PORT", "VMS"))
    async with simulated_vcenter(SimulatorSettings(port=port, vms=vms)) as running:
        machines = list(running.world.machines.values())
        due, number = time.monotonic(), 0
        while True:
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            machine = machines[number % len(machines)]
            running.world.rename(machine, f"changed at {time.monotonic_ns()}")
            number += 1


async def measure(settings: Settings, secret: Path, rate: float, vms: int, seconds: float) -> dict[str, Any]:
    """Ages of events at one rate."""
    port = free_port()
    command = ("-m", "bench.collector_steady", "--vcenter", str(rate))
    async with process(*command, port=port, vms=vms) as url, open_platform(settings, name="bench") as ground:
        bus, stop = TimedBus(ground.bus), asyncio.Event()
        timed = Platform(ground.database_url, ground.pool, cast(Bus, bus), ground.health)
        vcenter = await add(ground.pool, NewVcenter(f"at {rate}", url, f"text:{USER}", f"file:{secret}"))
        task = asyncio.create_task(run(settings, timed, stop))
        while (await get(ground.pool, vcenter.id)).state != "watching":  # noqa: ASYNC110  a table is polled
            await asyncio.sleep(PACE)
        await asyncio.sleep(WARM_UP_SECONDS)
        bus.ages.clear()
        cpu, began, spent = time.process_time(), time.perf_counter(), _spent()
        await asyncio.sleep(seconds)
        ages = sorted(bus.ages)
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        shares = {name: round((now - spent[name]) / took, 2) for name, now in _spent().items()}
        stop.set()
        await task
    return {
        "asked_per_second": rate,
        "confirmed_per_second": round(len(ages) / took),
        "ms": {
            name: round(ages[min(len(ages) - 1, int(len(ages) * part))], 1)
            for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
        },
        "cpu_us_per_change": round(cpu / len(ages) * 1e6),
        "share_of_time": shares | {"asking": round(1 - sum(shares.values()), 2)},
        "suppressed": by_label("suppressed_total", "reason"),
    }


def _spent() -> dict[str, float]:
    stages = {"decoding": "decode", "facts": "translate", "remembering": "remember", "publishing": "publish"}
    return {name: counted(f"{metric}_seconds_total") for name, metric in stages.items()}


async def main(arguments: argparse.Namespace) -> dict[str, Any]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    report = about_the_machine(arguments.amqp)
    runs = []
    for rate in arguments.rates:
        with tempfile.TemporaryDirectory() as folder, broker(arguments.amqp) as amqp:
            secret = Path(folder) / "password"
            secret.write_text(PASSWORD)
            settings = Settings(
                collector=CollectorSettings(),
                data_dir=Path(folder) / "data",
                database_url=arguments.database,
                amqp_url=amqp,
            )
            runs.append(await measure(settings, secret, rate, arguments.vms, arguments.seconds))
    return {
        "benchmark": "collector_steady",
        **report,
        "vms": arguments.vms,
        "coalesce_seconds": CollectorSettings().coalesce_seconds,
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=float, nargs="+", default=[200, 1000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--vms", type=int, default=5000)
    parser.add_argument("--database")
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--vcenter", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.vcenter:
        asyncio.run(change_steadily(given.vcenter))
    else:
        print(json.dumps(asyncio.run(main(given)), indent=2))

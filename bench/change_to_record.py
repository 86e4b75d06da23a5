"""From a guest's new address in the vCenter to the event about its NIC record, at a steady rate.

    python -m bench.change_to_record [--rates 50 200] [--seconds 20] [--vms 5000] [--amqp …] [--database …]

vCenter, collector and allocator run in processes of their own, on RabbitMQ and PostgreSQL. One VM after the
other gets an address that nobody had, and the vCenter writes down when; the clock is one that all processes
of a machine share. A change is over when the NIC event with its address has come to a consumer. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from bench._collector import PACE, PASSWORD, USER, about_the_machine, process
from bench._servers import PRIVATE, broker, database
from services.cli.asking import order
from services.collector.registry import NewVcenter, add, get
from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.commands import SubnetCreate
from shared.events.nic import NicCreated, NicUpdated
from shared.store.pool import Pool, open_pool
from tests.servers.processes import free_port

PREFIX = ipaddress.IPv4Network("10.128.0.0/9")
BARS_MS = {"p50": 50, "p99": 250}
BARS_AT = 200
WARM_UP_SECONDS = 5.0
LAST_SECONDS = 5.0
STAMP = struct.Struct("<q")


async def change_steadily(rate: float, notes: Path) -> None:
    """A vCenter that gives `rate` guests a second another address; `notes` tells the wire, and then when."""
    port, vms = (int(os.environ[f"PATCHBAY_SIMULATOR__{name}"]) for name in ("PORT", "VMS"))
    async with simulated_vcenter(SimulatorSettings(port=port, vms=vms)) as running:
        living = [m for m in running.world.machines.values() if m.power == "poweredOn" and m.nics]
        wire, _ = Counter(m.nics[0].network.moid for m in living).most_common(1)[0]
        machines = [m for m in living if m.nics[0].network.moid == wire]
        (notes / "wire").write_text(wire)
        while not (notes / "go").exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(PACE)
        due, number = time.monotonic(), 0
        with (notes / "times").open("wb", buffering=0) as times:
            while True:
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                machine = machines[number % len(machines)]
                times.write(STAMP.pack(time.monotonic_ns()))
                address = (str(PREFIX.network_address + number + 2), PREFIX.prefixlen)
                running.world.set_guest_addresses(machine, machine.nics[0].key, [address])
                number += 1


@asynccontextmanager
async def service(name: str, amqp: str, url: str) -> AsyncIterator[None]:
    """A service in a process of its own."""
    environment = os.environ | {"PATCHBAY_AMQP_URL": amqp, "PATCHBAY_DATABASE_URL": url}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{name}", env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


def numbers(event: Event) -> list[int]:
    """Which changes a NIC event is about."""
    if not isinstance(event, NicCreated | NicUpdated):
        return []
    found = [ipaddress.ip_address(one.address) for one in event.nic.addresses]
    return [int(address) - int(PREFIX.network_address) - 2 for address in found if address in PREFIX]


async def arrivals(bus: Bus, came: dict[int, int], ready: asyncio.Event) -> None:
    """Note when the event about each address came, by the address's number."""
    async with bus.subscribe(["nic.#"]) as consumer:
        ready.set()
        while True:
            deliveries = await consumer.batch(500)
            now = time.monotonic_ns()
            for delivery in deliveries:
                for number in numbers(decode(delivery.message.body).data):
                    came.setdefault(number, now)
            await consumer.ack(deliveries[-1])


async def prepared(pool: Pool, bus: Bus, url: str, folder: Path) -> None:
    """Register the vCenter, wait for its snapshot, make the subnet."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    vcenter = await add(pool, NewVcenter("bench", url, f"text:{USER}", f"file:{secret}"))
    while (await get(pool, vcenter.id)).state != "watching":  # noqa: ASYNC110  a table is polled
        await asyncio.sleep(PACE)
    wire = (folder / "wire").read_text()
    while not await pool.fetchval("SELECT count(*) FROM inventory.wire WHERE moid = $1", wire):  # noqa: ASYNC110
        await asyncio.sleep(PACE)
    await order(bus, SubnetCreate(name="bench", prefix=str(PREFIX), wire=wire, by="bench"))


async def measure(amqp: str, url: str, rate: float, vms: int, seconds: float) -> dict[str, Any]:
    """Ages of NIC events at one rate."""
    pool = await open_pool(url, name="bench")
    bus = await connect_bus(amqp_url=amqp, database_url=url, name="bench")
    came: dict[int, int] = {}
    listening = asyncio.Event()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = ("-m", "bench.change_to_record", "--vcenter", str(rate), "--notes", name)
        async with (
            process(*command, port=free_port(), vms=vms) as vcenter,
            service("collector", amqp, url),
            service("allocator", amqp, url),
        ):
            await prepared(pool, bus, vcenter, folder)
            listener = asyncio.create_task(arrivals(bus, came, listening))
            await listening.wait()
            (folder / "go").touch()
            await asyncio.sleep(WARM_UP_SECONDS + seconds + LAST_SECONDS)
            listener.cancel()
        stamps = [stamp for (stamp,) in STAMP.iter_unpack((folder / "times").read_bytes())]
    await bus.close()
    await pool.close()
    first, last = int(WARM_UP_SECONDS * rate), int((WARM_UP_SECONDS + seconds) * rate)
    counted = range(first, min(last, len(stamps)))
    ages = sorted((came[n] - stamps[n]) / 1e6 for n in counted if n in came)
    return {
        "asked_per_second": rate,
        "changes": len(counted),
        "changes_without_event": len(counted) - len(ages),
        "ms": {
            part: round(ages[min(len(ages) - 1, int(len(ages) * share))], 1) if ages else None
            for part, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
        },
    }


def main(arguments: argparse.Namespace) -> dict[str, Any]:
    """All rates, each on servers' empty ground."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    report, runs = about_the_machine(arguments.amqp), []
    for rate in arguments.rates:
        with broker(arguments.amqp) as amqp, database(arguments.database) as url:
            if amqp is None:
                raise SystemExit("bench.change_to_record runs on RabbitMQ: leave --amqp out or name a broker")
            runs.append(asyncio.run(measure(amqp, url, rate, arguments.vms, arguments.seconds)))
    return {
        "benchmark": "change_to_record",
        **report,
        "vms": arguments.vms,
        "bars_ms": BARS_MS,
        "bars_at": BARS_AT,
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=float, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--vms", type=int, default=5000)
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--database", default=PRIVATE, help="default: a private PostgreSQL")
    parser.add_argument("--vcenter", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--notes", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.vcenter:
        asyncio.run(change_steadily(given.vcenter, given.notes))
    else:
        print(json.dumps(main(given), indent=2))

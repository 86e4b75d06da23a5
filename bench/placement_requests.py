"""Create-VM requests per second: over RabbitMQ, to a placement process, held in PostgreSQL, answered.

    python -m bench.placement_requests [--amqp amqp://…] [--database postgresql://…] \
        [--hosts 1000] [--port-groups 2000] [--vms 50000] [--requests 3000]

Without addresses a private RabbitMQ and a private PostgreSQL are started; a database that is named must be
migrated and empty, and is filled. Prints JSON: how fast a full queue is drained, and what
fifty provisioners that wait for each answer see. Client, broker, database and placement share the machine;
`placement_cpu_ms` is the CPU time that the placement process took for each request; `rendering_cpu_ms` is the
part of it that the guest's configuration takes, in every format, measured on the last answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psutil
import structlog

from bench._servers import PRIVATE, broker, database
from services.placement.domain.rendering import rendered
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus, Message
from shared.events.codec import decode
from shared.events.envelope import wrap
from shared.events.inventory import HostChanged, HostSwitch, PhysicalNic, PortgroupChanged, VlanId
from shared.events.placement import NicRequest, VmCreatePlaced, VmCreateRequested
from shared.events.subnet import SubnetFacts
from shared.events.topology import TOPOLOGY
from shared.ipam.subnets import create_subnet
from shared.model.identifiers import scope_id, subnet_id, wire_id
from shared.runtime.publishing import message_of
from shared.store.pool import Pool, open_pool, transaction

VCENTER = UUID(int=10)
SWITCH = "50 2c 7a"
SEEN_BY = 100
PROVISIONERS = 50
BAR = 300
ORDER = {"vcenter": VCENTER, "epoch": 1, "sequence": 1}


async def fill(pool: Pool, hosts: int, port_groups: int, vms: int) -> None:
    """An inventory as the allocator would have written it, and a /22 on each port group."""
    dice = Random(1)  # noqa: S311  the same inventory in every run
    now = datetime.now(UTC)
    await pool.execute(
        "INSERT INTO inventory.vcenter (id, name, state, epoch, sequence, current_to)"
        " VALUES ($1, 'vc', 'connected', 1, 1, $2)",
        VCENTER, now + timedelta(days=1),
    )  # fmt: skip
    for number in range(hosts):
        fact = HostChanged(
            **ORDER, moid=f"host-{number}", name=f"esx-{number}", cluster="c1", cluster_name="blue",
            resource_pool="pool", connection="connected", maintenance=False, cpu_cores=64, cpu_mhz=2400,
            memory_mb=1024 * 1024, pnics=(PhysicalNic(device="vmnic0", link_mbps=10000),),
            switches=(HostSwitch(name="dvs", kind="distributed", uuid=SWITCH, pnics=("vmnic0",)),),
        )  # fmt: skip
        await pool.execute(
            "INSERT INTO inventory.host (vcenter_id, moid, epoch, sequence, observed_at, name, state)"
            " VALUES ($1, $2, 1, 1, $3, $4, $5)",
            VCENTER, fact.moid, now, fact.name, fact.model_dump(mode="json"),
        )  # fmt: skip
    for number in range(port_groups):
        await _port_group(pool, number, dice.sample(range(hosts), min(SEEN_BY, hosts)), now)
    await pool.executemany(
        "INSERT INTO inventory.vm (vcenter_id, moid, epoch, sequence, observed_at, vm_id, name, host, power,"
        " cpus, memory_mb) VALUES ($1, $2, 1, 1, $3, $4, $2, $5, 'on', 2, 4096)",
        [(VCENTER, f"vm-{n}", now, uuid4(), f"host-{dice.randrange(hosts)}") for n in range(vms)],
    )
    await pool.execute("ANALYZE")


async def _port_group(pool: Pool, number: int, hosts: list[int], now: datetime) -> None:
    fact = PortgroupChanged(
        **ORDER, moid=f"pg-{number}", name=f"net-{number}", kind="distributed", key=f"pg-{number}",
        switch_uuid=SWITCH, vlan=VlanId(id=number % 4094 + 1), hosts=tuple(f"host-{n}" for n in hosts),
    )  # fmt: skip
    wire = wire_id(VCENTER, fact.moid)
    prefix = f"10.{number >> 6}.{(number & 63) << 2}.0/22"
    async with transaction(pool) as conn:
        await conn.execute(
            "INSERT INTO inventory.wire (id, vcenter_id, moid, epoch, sequence, observed_at, name, kind,"
            " state) VALUES ($1, $2, $3, 1, 1, $4, $5, 'distributed', $6)",
            wire, VCENTER, fact.moid, now, fact.name, fact.model_dump(mode="json"),
        )  # fmt: skip
        net = SubnetFacts(
            id=subnet_id(scope_id("default"), fact.name, prefix), scope="default", name=fact.name,
            prefix=prefix, ranges=(), default_wire=wire,
        )  # fmt: skip
        await create_subnet(conn, net, now)


def message(nic: NicRequest) -> Message:
    asked = VmCreateRequested(
        request_id=str(uuid4()), name=f"vm-{uuid4().hex[:8]}", cpus=1, memory_mb=1024, nics=(nic,)
    )
    return message_of(wrap(asked, source="bench", time=datetime.now(UTC)))


async def drained(bus: Bus, pool: Pool, process: psutil.Process, messages: list[Message]) -> dict[str, float]:
    """Publish all at once, and wait until all are answered."""
    before = int(await pool.fetchval("SELECT count(*) FROM placement.request"))
    cpu, begun = process.cpu_times(), time.perf_counter()
    await bus.publish(messages)
    while await pool.fetchval("SELECT count(*) FROM placement.request") < before + len(messages):  # noqa: ASYNC110  another process answers
        await asyncio.sleep(0.05)
    seconds, after = time.perf_counter() - begun, process.cpu_times()
    spent = after.user + after.system - cpu.user - cpu.system
    return {
        "per_second": round(len(messages) / seconds, 1),
        "placement_cpu_ms": round(spent * 1000 / len(messages), 2),
    }


async def asked(bus: Bus, messages: list[Message]) -> dict[str, float]:
    """Fifty provisioners that wait for each answer before they ask again."""
    waiting, times, placed = list(messages), [], list[VmCreatePlaced]()

    async def provisioner() -> None:
        while waiting:
            one, begun = waiting.pop(), time.perf_counter()
            reply = decode((await bus.request(one, timedelta(seconds=60))).body).data
            times.append((time.perf_counter() - begun) * 1000)
            if isinstance(reply, VmCreatePlaced):
                placed.append(reply)

    begun = time.perf_counter()
    await asyncio.gather(*(provisioner() for _ in range(PROVISIONERS)))
    seconds = time.perf_counter() - begun
    times.sort()
    return {
        "per_second": round(len(times) / seconds, 1),
        "p50_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[int(len(times) * 0.99)], 1),
        "placed": len(placed),
        "rendering_cpu_ms": rendering(placed[-200:]),
    }


def rendering(answers: Sequence[VmCreatePlaced]) -> float:
    """CPU milliseconds for each answer's backings and guest configuration."""
    begun = time.process_time()
    for answer in answers:
        rendered(answer)
    return round((time.process_time() - begun) * 1000 / max(len(answers), 1), 3)


@asynccontextmanager
async def placement(amqp: str, database: str) -> AsyncIterator[psutil.Process]:
    environment = os.environ | {"PATCHBAY_AMQP_URL": amqp, "PATCHBAY_DATABASE_URL": database}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.placement", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    yield psutil.Process(running.pid)
    running.terminate()
    await running.wait()


async def run(options: argparse.Namespace) -> dict[str, Any]:
    pool = await open_pool(options.database, name="bench")
    await fill(pool, options.hosts, options.port_groups, options.vms)
    bus = await connect_bus(amqp_url=options.amqp, database_url=options.database, name="bench")
    await bus.declare(TOPOLOGY)
    dice = Random(2)  # noqa: S311  the same requests in every run

    def named(count: int) -> list[Message]:
        return [
            message(NicRequest(subnet=f"net-{dice.randrange(options.port_groups)}")) for _ in range(count)
        ]

    def any_one(count: int) -> list[Message]:
        return [message(NicRequest()) for _ in range(count)]

    async with placement(options.amqp, options.database) as process:
        await asked(bus, named(200))
        found = {
            "drained_named_subnet": await drained(bus, pool, process, named(options.requests)),
            "drained_any_subnet": await drained(bus, pool, process, any_one(options.requests // 3)),
            "asked_named_subnet": await asked(bus, named(options.requests // 2)),
            "asked_any_subnet": await asked(bus, any_one(options.requests // 3)),
        }
    await bus.close()
    await pool.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ")
    parser.add_argument("--database", default=PRIVATE, help="default: a private PostgreSQL")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--port-groups", type=int, default=2000)
    parser.add_argument("--vms", type=int, default=50_000)
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with broker(options.amqp) as options.amqp, database(options.database) as options.database:
        found = asyncio.run(run(options))
    report = {
        "bench": "placement_requests",
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
        "sizes": {"hosts": options.hosts, "port_groups": options.port_groups, "vms": options.vms},
        "bar": {"per_second": BAR},
        **found,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Sixteen provisioners fight over RabbitMQ for what is left, while everything is killed once (G1, G2)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.codec import decode
from shared.events.envelope import wrap
from shared.events.placement import VmCreatePlaced, VmCreateRefused, VmCreateRequested
from shared.events.topology import TOPOLOGY
from shared.runtime.errors import PatchbayError
from shared.runtime.publishing import message_of
from shared.store.pool import Pool, open_pool
from tests.integration.placement.conftest import request
from tests.integration.placement.inventory import Inventory
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq]

PROVISIONERS = 16
EACH = 4
"""Requests of each provisioner, one after the other."""
PATIENCE = timedelta(seconds=2)
Answers = dict[str, VmCreatePlaced | VmCreateRefused]


class Processes:
    """Service processes that can be killed and started again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str) -> None:
        """`name` is the service and a number: "placement-1"."""
        with (self._log / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{name.partition('-')[0]}",
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self, name: str) -> None:
        """kill -9, and start it again."""
        await self._end(name)
        await self.start(name)

    async def close(self) -> None:
        for name in self._running:
            await self._end(name)

    async def _end(self, name: str) -> None:
        process = self._running[name]
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def services(database: str, amqp_url: str, folder: Path) -> AsyncIterator[Processes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PATCHBAY_")} | {
        "PATCHBAY_DATABASE_URL": database,
        "PATCHBAY_AMQP_URL": amqp_url,
        "PATCHBAY_PLACEMENT__EXPIRY_INTERVAL_SECONDS": "0.3",
    }
    processes = Processes(environment, folder)
    for name in ("placement-1", "placement-2", "placement-3", "allocator-1"):
        await processes.start(name)
    yield processes
    await processes.close()


async def provision(amqp_url: str, database: str, asked: list[VmCreateRequested], answers: Answers) -> None:
    """Ask for each VM until answered, as a provisioner does that hears nothing."""
    bus: Bus | None = None
    for one in asked:
        while one.request_id not in answers:
            try:
                bus = bus or await connect_bus(amqp_url=amqp_url, database_url=database, name="provisioner")
                envelope = wrap(one, source="test", time=datetime.now(UTC))
                reply = decode((await bus.request(message_of(envelope), PATIENCE)).body).data
            except (PatchbayError, TimeoutError):
                await asyncio.sleep(0.3)
                continue
            assert isinstance(reply, VmCreatePlaced | VmCreateRefused)
            answers[one.request_id] = reply
    if bus is not None:
        await bus.close()


async def until(answers: Answers, count: int) -> None:
    while len(answers) < count:  # noqa: ASYNC110  sixteen tasks fill it
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("memory_gb", "prefix", "ports", "winners"),
    [
        pytest.param(4, "10.0.1.0/28", None, 14, id="the last addresses"),
        pytest.param(12, "10.0.1.0/24", None, 10, id="the last memory"),
        pytest.param(4, "10.0.1.0/24", 9, 9, id="the last ports"),
    ],
)
async def test_exactly_the_possible_number_wins_and_nothing_leaks(
    database: str,
    postgres_server: PostgresServer,
    rabbitmq_url: str,
    rabbitmq_server: RabbitServer,
    tmp_path: Path,
    memory_gb: int,
    prefix: str,
    ports: int | None,
    winners: int,
) -> None:
    """kill -9 of placement, allocator, broker and database in the middle; three placements answer."""
    pool = await open_pool(database, name="test")
    made = Inventory(pool)
    await made.vcenter(current_to=datetime.now(UTC) + timedelta(hours=1))
    for number in (1, 2):
        await made.host(number)
    wire = await made.portgroup(1, [1, 2], binding="early", ports=ports)
    await made.subnet(1, wire, prefix=prefix)
    bus = await connect_bus(amqp_url=rabbitmq_url, database_url=database, name="test")
    await bus.declare(TOPOLOGY)
    await bus.close()
    answers: Answers = {}
    asked = [request(memory_mb=memory_gb * 1024) for _ in range(PROVISIONERS * EACH)]
    async with services(database, rabbitmq_url, tmp_path) as processes:
        fight = asyncio.gather(
            *(provision(rabbitmq_url, database, asked[n::PROVISIONERS], answers) for n in range(PROVISIONERS))
        )
        async with asyncio.timeout(180):
            await until(answers, 2)
            await processes.kill("placement-1")
            await until(answers, 6)
            await asyncio.to_thread(rabbitmq_server.kill)
            await asyncio.to_thread(rabbitmq_server.start)
            await processes.kill("allocator-1")
            await until(answers, 20)
            await asyncio.to_thread(postgres_server.kill)
            await asyncio.to_thread(postgres_server.start)
            await processes.kill("placement-2")
            await fight
        pool.terminate()
        pool = await open_pool(database, name="test")
        check(answers, winners)
        assert await counts(pool) == (winners, winners, winners, winners)
        await pool.execute("UPDATE placement.reservation SET expires_at = now()")
        async with asyncio.timeout(60):
            held = "SELECT count(*) FROM placement.reservation WHERE state = 'held'"
            while await pool.fetchval(held):  # noqa: ASYNC110  another process ends them
                await asyncio.sleep(0.1)
    assert await counts(pool) == (0, 0, 0, 0)
    pool.terminate()


def check(answers: Answers, winners: int) -> None:
    placed = [answer for answer in answers.values() if isinstance(answer, VmCreatePlaced)]
    assert (len(answers), len(placed)) == (PROVISIONERS * EACH, winners)
    addresses = {answer.nics[0].addresses[0].address for answer in placed}
    assert len(addresses) == winners
    for host in ("host-1", "host-2"):
        assert sum(answer.memory_mb for answer in placed if answer.host == host) <= 65536
    reasons = {answer.reason for answer in answers.values() if isinstance(answer, VmCreateRefused)}
    assert all("net-1" in reason for reason in reasons), reasons


async def counts(pool: Pool) -> tuple[int, ...]:
    """What is held: reservations, host claims, addresses in the ledger, ports and MACs."""
    row = await pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM placement.reservation WHERE state = 'held'),
               (SELECT count(*) FROM placement.claim),
               (SELECT count(*) FROM ipam.address WHERE holder_kind = 'reservation'),
               (SELECT count(*) FROM placement.reservation_nic WHERE live)
        """
    )
    assert row is not None
    return tuple(row)

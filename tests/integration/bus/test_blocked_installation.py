"""A broker with an alarm under a running installation: it says so, waits, and loses nothing (G2)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from shared.bus.port import Message
from shared.events.topology import Queue, Topology
from shared.runtime.environment import open_platform
from shared.runtime.settings import CoreSettings, load_settings
from shared.store import outbox
from shared.store.pool import transaction
from shared.store.relay import relay
from tests.contract.bus.samples import take
from tests.integration.bus.alarms import alarm
from tests.servers.rabbitmq import PrivateRabbit

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres, pytest.mark.slow]

WATCHED = "watched"
COUNT = 300


async def patchbay(environment: dict[str, str], *words: str) -> tuple[int, Any]:
    """A command in a process of its own: exit code and what it answers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *words, "--json",
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out)


async def test_g2_the_outbox_waits_for_the_end_of_an_alarm(broker: PrivateRabbit, database: str) -> None:
    """Health and `patchbay status` say why; what was written meanwhile is published once it is over."""
    url = broker.vhost()
    environment = {"PATCHBAY_AMQP_URL": url, "PATCHBAY_DATABASE_URL": database}
    settings = load_settings(CoreSettings, environment)
    stop = asyncio.Event()
    async with open_platform(settings, name="test") as platform:
        await platform.bus.declare(Topology(queues=(Queue(WATCHED, ("nic.#",)),)))
        relaying = asyncio.create_task(relay(platform.pool, platform.bus, stop=stop, name="test"))
        async with alarm(broker, "memory"):
            messages = [Message(b"{}", f"nic.created.{number}.-", f"m-{number}") for number in range(COUNT)]
            async with transaction(platform.pool) as connection:
                await outbox.enqueue(connection, messages)
            for _ in range(600):
                if platform.health.reasons:
                    break
                await asyncio.sleep(0.05)
            assert platform.health.reasons == {"bus": "blocked by the broker: memory alarm"}
            code, said = await patchbay(environment, "status")
            assert (code, said["obstacle"]) == (1, "blocked by the broker: memory alarm")
            assert await platform.pool.fetchval("SELECT count(*) FROM bus.outbox") == COUNT
        async with platform.bus.consume(WATCHED) as consumer:
            seen: set[str] = set()
            while len(seen) < COUNT:
                seen.update(delivery.message.message_id for delivery in await take(consumer, 1))
        assert platform.health.reasons == {}
        stop.set()
        await relaying
        assert await platform.pool.fetchval("SELECT count(*) FROM bus.outbox") == 0

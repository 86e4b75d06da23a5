"""The ground that services stand on, with nothing configured and with everything configured."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from shared.bus.port import Message
from shared.events.topology import LOG
from shared.runtime.environment import Platform, open_platform
from shared.runtime.errors import TransientError
from shared.runtime.settings import CoreSettings, HttpSettings
from shared.store.outbox import enqueue
from shared.store.pool import transaction
from shared.store.relay import relay
from shared.store.schema import SchemaOutdated

PROJECT = Path(__file__).parents[3]
SERVICE = """
import asyncio
from shared.runtime.service import run_service
from shared.runtime.settings import CoreSettings

async def run(settings, platform, stop):
    print("up", platform.http_port, flush=True)
    await stop.wait()

run_service(CoreSettings, run, name="test")
"""


async def outbox_to_log(platform: Platform, number: int) -> list[str]:
    """Write to the outbox, relay, and read from the bus's log: everything a service needs, at work."""
    messages = [
        Message(body=b"{}", routing_key="nic.created.x", message_id=f"m{at}", headers={"n": at})
        for at in range(number)
    ]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(60):
        tasks.create_task(relay(platform.pool, platform.bus, stop=stop, name="test"))
        for at in range(0, number, 50):
            async with transaction(platform.pool) as connection:
                await enqueue(connection, messages[at : at + 50])
        seen: list[str] = []
        async for entry in platform.bus.read_log("first", follow=True):
            seen.append(entry.message.message_id)
            if len(seen) >= number:
                break
        stop.set()
    assert await platform.pool.fetchval("SELECT count(*) FROM bus.outbox") == 0
    return seen


@pytest.mark.postgres
async def test_with_nothing_configured_there_is_everything(tmp_path: Path) -> None:
    settings = CoreSettings(data_dir=tmp_path, http=HttpSettings(port=0))
    async with open_platform(settings, name="test") as platform:
        assert await outbox_to_log(platform, 120) == [f"m{at}" for at in range(120)]
        assert (await platform.bus.state(LOG)).consumers >= 0
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{platform.http_port}/readyz") as answer,
        ):
            assert answer.status == 200
        async with open_platform(CoreSettings(data_dir=tmp_path), name="second") as second:
            assert second.database_url == platform.database_url
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(platform.database_url)


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_g2_the_outbox_reaches_rabbitmq_in_order(database: str, rabbitmq_url: str) -> None:
    settings = CoreSettings(database_url=SecretStr(database), amqp_url=SecretStr(rabbitmq_url))
    async with open_platform(settings, name="test") as platform:
        assert await outbox_to_log(platform, 1200) == [f"m{at}" for at in range(1200)]


@pytest.mark.postgres
async def test_a_database_without_schema_is_refused(empty_database: str) -> None:
    with pytest.raises(SchemaOutdated):
        async with open_platform(CoreSettings(database_url=SecretStr(empty_database)), name="test"):
            pass


async def test_a_database_that_stays_away_is_told_in_the_end() -> None:
    settings = CoreSettings(database_url=SecretStr("postgresql://u:geheim@127.0.0.1:1/d"))
    with pytest.raises(TransientError) as caught:
        async with open_platform(settings, name="test", patience=timedelta(seconds=0.3)):
            pass
    assert "geheim" not in str(caught.value)


class Service:
    """A service as a process."""

    def __init__(self, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVICE],
            cwd=PROJECT,
            env={**kept, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def logged(self) -> dict[str, object]:
        assert self._process.stderr is not None
        entry: dict[str, object] = json.loads(self._process.stderr.readline())
        return entry

    def ended(self) -> tuple[int, str]:
        """Wait until it ends by itself."""
        _, errors = self._process.communicate(timeout=60)
        return self._process.returncode, errors

    def stop(self) -> tuple[int, str]:
        """Ask it to stop and wait until it has."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()


@pytest.mark.postgres
def test_a_service_starts_serves_health_and_stops(database: str) -> None:
    service = Service(PATCHBAY_DATABASE_URL=database, PATCHBAY_HTTP__PORT="0")
    word, port = service.up().split()
    assert word == "up"
    assert int(port) > 0
    code, said = service.stop()
    assert code == 0, said


def test_a_service_that_waits_for_its_database_can_be_stopped() -> None:
    service = Service(PATCHBAY_DATABASE_URL="postgresql://u:geheim@127.0.0.1:1/d")
    waiting = service.logged()
    assert waiting["event"] == "waiting"
    code, said = service.stop()
    assert code == 0
    assert "geheim" not in f"{waiting}{said}"


@pytest.mark.postgres
def test_a_service_refuses_a_schema_it_does_not_know(empty_database: str) -> None:
    code, said = Service(PATCHBAY_DATABASE_URL=empty_database).ended()
    assert code == 2
    assert "run 'patchbay db upgrade'" in said
    assert "Traceback" not in said


def test_a_service_names_the_setting_that_is_wrong() -> None:
    code, said = Service(PATCHBAY_HTP__PORT="1").ended()
    assert code == 2
    assert "did you mean PATCHBAY_HTTP__PORT?" in said

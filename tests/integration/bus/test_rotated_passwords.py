"""Passwords that are changed, on the server and in their files, under everything that runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from shared.events.envelope import wrap
from shared.events.topology import ALLOCATOR_FACTS
from shared.events.vcenter import VcenterHeartbeat
from shared.runtime.consuming import Received, consume
from shared.runtime.environment import Platform, open_platform
from shared.runtime.errors import TransientError
from shared.runtime.publishing import publish
from shared.runtime.settings import CoreSettings, load_settings
from shared.store.connection import connect
from shared.store.migrate import upgrade
from shared.store.pool import transaction
from tests.servers.postgres import PrivatePostgres, find_binaries, with_database
from tests.servers.processes import missing
from tests.servers.rabbitmq import PrivateRabbit

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(180)]

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
USER = "rotated"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    """One that asks for the password of our user."""
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL", "a private one is needed here; install it (apt-get install postgresql)")
    server = PrivatePostgres(binaries)
    server.start()
    rules = f"host all {USER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    asyncio.run(_asked(server.url, rules))
    yield server
    server.stop()


async def _asked(url: str, rules: str) -> None:
    connection = await asyncpg.connect(url)
    file = await connection.fetchval("SHOW hba_file")
    await asyncio.to_thread(Path(file).write_text, rules)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(f"CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD 'first'")
    await connection.close()
    await upgrade(url)


async def until_it_works(work: Callable[[], Awaitable[None]]) -> None:
    """As every service tries again; nothing but a transient error may come."""
    for _ in range(300):
        try:
            await work()
        except TransientError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("it does not come back")


async def until_it_fails(work: Callable[[], Awaitable[None]]) -> None:
    """Until connections that were ended are seen to be."""
    for _ in range(300):
        try:
            await work()
        except TransientError as error:
            if "refused the login" in str(error):
                return
        await asyncio.sleep(0.1)
    raise AssertionError("nobody is refused")


@asynccontextmanager
async def running(settings: CoreSettings) -> AsyncIterator[tuple[Platform, set[int]]]:
    """A platform with a consumer that writes to the database, and what it has handled."""
    handled: set[int] = set()
    stop = asyncio.Event()
    async with open_platform(settings, name="test") as platform:

        async def handle(batch: Sequence[Received]) -> None:
            async with transaction(platform.pool) as connection:
                await connection.execute("SELECT 1")
            handled.update(int(received.envelope.id) for received in batch)

        loop = asyncio.create_task(consume(platform.bus, ALLOCATOR_FACTS, handle, stop=stop, name="test"))
        try:
            yield platform, handled
        finally:
            stop.set()
            await loop


def beat(number: int) -> VcenterHeartbeat:
    return VcenterHeartbeat(
        vcenter=UUID(int=1), epoch=1, sequence=number, name="v", current_to=NOW, lag_seconds=0
    )


async def told(platform: Platform, handled: set[int], number: int) -> None:
    """Publish, and see it handled."""
    envelope = wrap(beat(number), source="test", time=NOW, id=str(number))
    await until_it_works(lambda: publish(platform.bus, [envelope]))
    for _ in range(300):
        if number in handled:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{number} is not handled")


async def test_g2_a_rotated_broker_password_is_read_at_the_next_connect(
    broker: PrivateRabbit, database: str, tmp_path: Path
) -> None:
    vhost, user = urlsplit(broker.vhost()).path[1:], f"user-{secrets.token_hex(4)}"
    broker.control("add_user", user, "first")
    broker.control("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
    file = tmp_path / "password"
    file.write_text("first\n")
    environment = {
        "PATCHBAY_AMQP_URL": f"amqp://{user}@127.0.0.1:{broker.port}/{vhost}",
        "PATCHBAY_AMQP__PASSWORD_FILE": str(file),
        "PATCHBAY_DATABASE_URL": database,
    }
    async with running(load_settings(CoreSettings, environment)) as (platform, handled):
        await told(platform, handled, 1)
        await asyncio.to_thread(broker.control, "change_password", user, "second")
        # Whoever connects now is refused: the file is behind. That must end nobody.
        await asyncio.to_thread(broker.control, "close_all_connections", "--vhost", vhost, "rotated")
        await until_it_fails(lambda: publish(platform.bus, [wrap(beat(2), source="test", time=NOW, id="2")]))
        assert "refused the login" in platform.health.reasons["bus"]
        file.write_text("second\n")
        await told(platform, handled, 3)
        assert platform.health.reasons == {}
        assert [letter async for letter in platform.bus.dead_letters()] == []


async def test_g2_a_rotated_database_password_is_read_at_the_next_connect(
    broker: PrivateRabbit, postgres: PrivatePostgres, tmp_path: Path
) -> None:
    """Events that come while the login is refused wait; none becomes a dead letter (G8)."""
    file = tmp_path / "database"
    url = f"postgresql://{USER}:{{}}@127.0.0.1:{postgres.port}/postgres"
    file.write_text(url.format("first"))
    environment = {"PATCHBAY_AMQP_URL": broker.vhost(), "PATCHBAY_DATABASE_URL_FILE": str(file)}
    admin = await asyncpg.connect(with_database(postgres.url, "postgres"))
    async with running(load_settings(CoreSettings, environment)) as (platform, handled):
        await told(platform, handled, 1)
        await admin.execute(f"ALTER ROLE {USER} PASSWORD 'second'")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", USER)
        await publish(platform.bus, [wrap(beat(2), source="test", time=NOW, id="2")])
        with pytest.raises(TransientError):
            await connect(platform.database_url, name="test")
        assert handled == {1}
        file.write_text(url.format("second"))
        await told(platform, handled, 3)
        assert handled == {1, 2, 3}
        assert [letter async for letter in platform.bus.dead_letters()] == []
    await admin.close()

"""The servers that tests stand on: private, empty for each test, back after a kill, and gone afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from pyVim.connect import Disconnect, SmartConnect

from shared.store.pool import Pool
from shared.store.schema import current, head
from tests.servers import postgres, rabbitmq
from tests.servers import vcsim as vcsim_module
from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.processes import missing
from tests.servers.rabbitmq import RabbitServer, find_rabbitmq
from tests.servers.vcsim import MakeVcsim, VcsimServer, find_vcsim

PROJECT = Path(__file__).parents[3]


@pytest.mark.postgres
async def test_each_test_has_a_migrated_database_of_its_own(pool: Pool, database: str) -> None:
    assert await current(database) == head()
    assert await pool.fetchval("SELECT count(*) FROM bus.outbox") == 0
    assert await pool.fetchval("SELECT current_database()") == database.rpartition("/")[2]


@pytest.mark.postgres
async def test_a_killed_postgres_comes_back_with_its_data(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE kept (it text)")
    postgres_server.kill()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await connection.fetchval("SELECT 1")
    postgres_server.start()
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    await connection.close()


@pytest.mark.rabbitmq
async def test_each_test_has_a_vhost_of_its_own(rabbitmq_server: RabbitServer, rabbitmq_url: str) -> None:
    assert rabbitmq_server.vhost() != rabbitmq_url
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), "q")
        message = await queue.get(timeout=10)
        assert message is not None
        assert message.body == b"hello"


@pytest.mark.rabbitmq
async def test_a_killed_broker_comes_back_with_its_queues(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"kept"), "q")
    rabbitmq_server.kill()
    rabbitmq_server.start()
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("q")
        message = await queue.get(timeout=30)
        assert message is not None
        assert message.body == b"kept"


@pytest.mark.vcsim
def test_vcsim_lets_pyvmomi_in(vcsim: VcsimServer) -> None:
    service = SmartConnect(  # type: ignore[no-untyped-call]
        host="127.0.0.1",
        port=_port(vcsim.url),
        user="user",
        pwd="pass",
        protocol="http",
        disableSslCertValidation=True,
    )
    assert service.content.about.apiType == "VirtualCenter"
    Disconnect(service)  # type: ignore[no-untyped-call]


@pytest.mark.vcsim
def test_two_vcsims_are_two_vcenters(vcsim: VcsimServer, make_vcsim: MakeVcsim) -> None:
    other = make_vcsim(vms=1, tls=True)
    other.start()
    assert other.url.startswith("https://")
    assert other.url != vcsim.url
    other.stop()


@pytest.mark.postgres
def test_nothing_is_left_when_the_run_is_killed(postgres_server: PostgresServer, tmp_path: Path) -> None:
    del postgres_server  # skips where there is no PostgreSQL to start
    script = """
        import sys, time
        from tests.servers.postgres import PrivatePostgres, find_binaries
        server = PrivatePostgres(find_binaries())
        server.start()
        print(server.pid, flush=True)
        time.sleep(600)
    """
    with (tmp_path / "errors").open("wb") as errors:
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert run.stdout is not None
    postmaster = int(run.stdout.readline())
    assert _alive(postmaster)
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 30
    while _alive(postmaster):
        assert time.monotonic() < deadline, "the guard did not end the server"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("find", "gone", "remedy"),
    [
        (find_postgres, "postgres.find_binaries", "apt-get install postgresql"),
        (find_rabbitmq, "rabbitmq.find_scripts", "apt-get install rabbitmq-server"),
        (find_vcsim, "vcsim.find_program", "golang-github-vmware-govmomi-dev"),
    ],
)
def test_who_has_no_server_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, find: Callable[[], object], gone: str, remedy: str
) -> None:
    module = f"tests.servers.{gone.partition('.')[0]}"
    for address in (postgres.ADDRESS, rabbitmq.ADDRESS, vcsim_module.ADDRESS, "CI"):
        monkeypatch.delenv(address, raising=False)
    monkeypatch.setattr(f"tests.servers.{gone}", lambda: None)
    monkeypatch.setattr(f"{module}.docker_answers", lambda: False)
    with pytest.raises(pytest.skip.Exception, match=remedy):
        find()


def test_an_address_in_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres.ADDRESS, "postgresql://there/db")
    monkeypatch.setenv(vcsim_module.ADDRESS, "https://u:p@there/sdk")
    found, ours = find_postgres()
    assert (found.url, ours) == ("postgresql://there/db", False)
    assert find_vcsim()(vms=3).url == "https://u:p@there/sdk"
    with pytest.raises(pytest.skip.Exception, match="not ours to stop"):
        found.kill()


def test_a_missing_server_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install it"):
        missing("Broker", "install it")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        missing("Broker", "install it")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])

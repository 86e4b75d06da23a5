"""The embedded PostgreSQL: shared by processes, stopped by the last, back after any kind of end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.runtime.errors import PermanentError
from shared.store.embedded import EmbeddedPostgres, ensure_postgres
from shared.store.migrate import upgrade
from shared.store.schema import head

pytestmark = pytest.mark.postgres

PROJECT = Path(__file__).parents[3]
USER = """
import sys
from pathlib import Path
from shared.store.embedded import ensure_postgres
with ensure_postgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.readline()
"""


class OtherProcess:
    """Another process that uses the embedded PostgreSQL of a folder, until told to `leave`."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def server(self) -> int:
        """The postmaster it found or started."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def leave(self) -> None:
        self._process.communicate("\n", timeout=60)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the data are made already: that is most of the time of each test."""
    folder = tmp_path_factory.mktemp("embedded")
    with ensure_postgres(folder) as server:
        execute(server, "CREATE TABLE kept (n int)")
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    yield made
    with ensure_postgres(made):  # whatever a test left running is used once more, and stopped
        pass


def execute(server: EmbeddedPostgres, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(server.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill_hard(pid: int) -> None:
    """As in a power cut: the postmaster gets no chance to tidy up."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_runs_while_used_and_takes_our_schema(folder: Path) -> None:
    with ensure_postgres(folder) as server:
        assert str(execute(server, "SHOW server_version")).startswith("18")
        assert execute(server, "SHOW listen_addresses") == ""
        assert asyncio.run(upgrade(server.url)) == head()
    assert not alive(server.pid)
    with ensure_postgres(folder) as server:
        assert execute(server, "SELECT count(*) FROM bus.outbox") == 0


def test_the_last_of_several_processes_stops_it(folder: Path) -> None:
    other = OtherProcess(folder)
    pid = other.server()
    with ensure_postgres(folder) as server:
        assert server.pid == pid
        other.leave()
        assert execute(server, "SELECT 1") == 1
        third = OtherProcess(folder)
        assert third.server() == pid
    assert alive(pid)
    third.leave()
    assert not alive(pid)


def test_many_that_start_at_once_share_one(folder: Path) -> None:
    others = [OtherProcess(folder) for _ in range(4)]
    servers = {other.server() for other in others}
    assert len(servers) == 1
    for other in others:
        other.leave()
    assert not alive(servers.pop())


def test_what_a_killed_process_left_running_is_used_again_and_then_stopped(folder: Path) -> None:
    other = OtherProcess(folder)
    pid = other.server()
    other.kill()
    assert alive(pid)
    with ensure_postgres(folder) as server:
        assert server.pid == pid
    assert not alive(pid)


def test_g2_what_was_committed_outlives_a_killed_server(folder: Path) -> None:
    with ensure_postgres(folder) as server:
        execute(server, "INSERT INTO kept VALUES (1) RETURNING n")
        before = execute(server, "SELECT count(*) FROM kept")
        kill_hard(server.pid)
        with ensure_postgres(folder) as again:
            assert again.pid != server.pid
            assert execute(again, "SELECT count(*) FROM kept") == before


def test_a_pid_that_belongs_to_somebody_else_by_now_is_no_obstacle(folder: Path) -> None:
    with ensure_postgres(folder) as server:
        kill_hard(server.pid)
        note = server.data / "postmaster.pid"
        lines = note.read_text().splitlines()
        note.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        with ensure_postgres(folder) as again:
            assert execute(again, "SELECT 1") == 1
    assert alive(os.getpid())


def test_data_half_made_are_made_again(tmp_path: Path) -> None:
    leftover = tmp_path / "postgres" / "new-abc" / "data"
    leftover.mkdir(parents=True)
    with ensure_postgres(tmp_path) as server:
        assert execute(server, "SELECT 1") == 1
    assert not leftover.exists()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    with ensure_postgres(tmp_path / ("x" * 120)) as server:
        assert execute(server, "SELECT 1") == 1


def test_data_of_another_version_are_refused_with_what_to_do(folder: Path) -> None:
    version = folder / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    try:
        with (
            pytest.raises(PermanentError, match="of PostgreSQL 17, this release brings 18") as caught,
            ensure_postgres(folder),
        ):
            pass
        assert caught.value.hint is not None
    finally:
        version.write_text("18\n")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PermanentError, match="can't make") as caught,
        ensure_postgres(tmp_path / "file" / "below"),
    ):
        pass
    assert caught.value.hint is not None
    assert "PATCHBAY_DATA_DIR" in caught.value.hint


def test_a_server_that_will_not_start_says_why(tmp_path: Path) -> None:
    with ensure_postgres(tmp_path) as server:
        data = server.data
    (data / "postgresql.auto.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(PermanentError, match="nonsense"), ensure_postgres(tmp_path):
        pass

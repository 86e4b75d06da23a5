"""PostgreSQL for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared.runtime.errors import PermanentError
from shared.store import embedded_programs
from shared.store.embedded_programs import programs_for
from tests.servers.processes import (
    Account,
    Server,
    docker_answers,
    free_port,
    missing,
    private_folder,
    unprivileged,
)

ADDRESS = "PATCHBAY_TEST_DATABASE_URL"
IMAGE = "postgres:18"
FAST = ("fsync=off", "full_page_writes=off", "autovacuum_naptime=5s")
"""For data that only has to outlive a killed process, not a power cut. Commits stay synchronous: with
`synchronous_commit=off` a kill would lose them, and tests of G2 would prove nothing."""


class PostgresServer(Protocol):
    """A PostgreSQL whose `url` leads to its maintenance database, as a role that may create databases."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class PrivatePostgres:
    """Our own PostgreSQL on a free loopback port; as another user when we are root. Restarts keep it all."""

    def __init__(self, binaries: Path, *, options: tuple[str, ...] = FAST) -> None:
        self._binaries = binaries
        self._account: Account | None = unprivileged("postgres")
        self._folder = private_folder("pg", self._account)
        self.port = free_port()
        settings = [word for option in options for word in ("-c", option)]
        self._server = Server(
            [
                binaries / "postgres",
                *("-D", self._folder / "data", "-p", str(self.port), "-k", self._folder),
                *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", *settings),
            ],
            log=self._folder / "log",
            account=self._account,
            environment={"LC_ALL": "C"},
        )

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._server.pid

    def start(self) -> None:
        """Start and wait until connections are accepted. Makes the data folder the first time."""
        if not (self._folder / "data").exists():
            self._make_data()
        self._server.start()
        self._server.wait_until(self._ready)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, connections ended."""
        self._server.stop(how=signal.SIGINT)

    def kill(self) -> None:
        """As in a power cut, save that the disk keeps what it was given."""
        self._server.stop(how=signal.SIGKILL)

    def _make_data(self) -> None:
        options = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run(self._binaries / "initdb", "-D", self._folder / "data", *options)

    def _ready(self) -> bool:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, *command: str | Path) -> None:
        account = self._account
        subprocess.run(
            [str(word) for word in command],
            check=True,
            capture_output=True,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


class GivenPostgres:
    """A PostgreSQL that somebody else runs. Tests that take it away are skipped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        pytest.skip(f"{ADDRESS} names a server that is not ours to stop; unset it to use a private one")

    kill = stop


def find_postgres(*options: str) -> tuple[PostgresServer, bool]:
    """A running PostgreSQL, and whether it is ours to stop. Skips or fails when there is none.

    A private one is started with these settings, such as "shared_buffers=1GB".
    """
    if url := os.environ.get(ADDRESS):
        return GivenPostgres(url), False
    if (binaries := find_binaries()) is not None:
        server = PrivatePostgres(binaries, options=(*FAST, *options))
        server.start()
        return server, True
    if docker_answers():
        return _container(), False
    return missing(
        "PostgreSQL",
        f"set {ADDRESS} to a server's URL, install PostgreSQL 15 or newer (apt-get install postgresql), "
        "or start a Docker engine",
    )


def find_binaries() -> Path | None:
    """The folder of PostgreSQL's programs: on PATH, as Debian lays them out, or the embedded one's."""
    candidates = []
    if (found := shutil.which("postgres")) is not None:
        candidates.append(Path(found).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in candidates:
        if all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb", "pg_isready")):
            return folder
    return embedded_binaries()


def embedded_binaries() -> Path | None:
    """Those of the embedded PostgreSQL, where the account that they run under can reach them."""
    account = unprivileged("postgres")
    uid, gid = (account.uid, account.gid) if account is not None else (os.geteuid(), os.getegid())
    try:
        return programs_for(embedded_programs.Account(uid, gid))
    except PermanentError:
        return None


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _container() -> GivenPostgres:
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415  slow to import, seldom needed

    settings = " ".join(f"-c {option}" for option in (*FAST, "max_connections=200"))
    container = PostgresContainer(IMAGE, username="postgres", password="throw-away", driver=None)
    container.with_command(settings).start()  # its reaper removes it when this process ends, however it ends
    return GivenPostgres(container.get_connection_url())


def with_database(url: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))

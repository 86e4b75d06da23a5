"""The embedded PostgreSQL: started by the first process of a machine that needs it, stopped by the last.

Everything lies in one folder. `data/` is PostgreSQL's own, with its unix socket in it: there is no port, and
who may not enter the folder may not connect. `users.lock` is held, shared, by each process that uses the
server: the kernel lets go of it however a process ends, so whoever gets it exclusively is the last one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from shared.runtime.errors import PermanentError, TransientError
from shared.store.embedded_programs import MAJOR, Account, account_for, environment, programs_for, run

DATABASE = "patchbay"
SOCKET = ".s.PGSQL.5432"
START_PATIENCE = 120.0
"""Seconds a server may take to start: after a crash it reads its log first."""

STOP_PATIENCE = 60.0
LOG_LIMIT = 10 * 1024**2

HERE = "/proc/self/cwd"
"""The data folder as PostgreSQL is told: the one it is started in. So its account need not be able to enter
the folders above, and no path is too long for a socket."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running embedded PostgreSQL; `url` is for asyncpg, `data` its data folder, `pid` its postmaster."""

    url: str
    data: Path
    pid: int


@contextmanager
def ensure_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Use the PostgreSQL kept in `data_dir`/postgres. Blocks: run entry and exit in a thread.

    Made when there is none, started when it does not run (also after a crash), shared with all processes of
    this machine that name the same folder, stopped with the last of them. Raises `PermanentError` when it
    can't be made or started, with the reason and the end of its log.
    """
    folder = data_dir.expanduser().resolve() / "postgres"
    _make_folder(folder)
    users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _starting_or_stopping(folder):
            fcntl.flock(users, fcntl.LOCK_SH)
            server = _start(folder)
        try:
            yield server
        finally:
            with _starting_or_stopping(folder):
                if _is_last(users):
                    _stop(server.data)
    finally:
        os.close(users)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(
            f"can't make {folder}: {error.strerror}",
            code="data_dir",
            hint="set PATCHBAY_DATA_DIR to a folder that may be written, or PATCHBAY_DATABASE_URL",
        ) from error


@contextmanager
def _starting_or_stopping(folder: Path) -> Iterator[None]:
    with (folder / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: int) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


STILL_HELD = "pre-existing shared memory block"
HELD_PATIENCE = 15.0


def _start(folder: Path) -> EmbeddedPostgres:
    data = folder / "data"
    account = account_for(data)
    if not data.exists():
        _make_data(folder, data, account)
    _check_version(data)
    log = folder / "log"
    deadline = time.monotonic() + HELD_PATIENCE
    while True:
        pid = _running(data)
        if pid is None:
            (data / "postmaster.pid").unlink(missing_ok=True)
            pid = _launch(data, log, account)
        try:
            _wait_until_ready(data, pid, log)
        except PermanentError as error:
            # The children of a server that was killed take a moment to notice, and hold its memory so long.
            if STILL_HELD not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return EmbeddedPostgres(_url(data), data, pid)


def _make_data(folder: Path, data: Path, account: Account) -> None:
    """Under another name first: what was interrupted half way is never taken for data."""
    for leftover in folder.glob("new-*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as place:
        fresh = Path(place) / "data"
        fresh.mkdir(mode=0o700)
        if account.switches:
            os.chown(fresh, account.uid, account.gid)
        programs = programs_for(account)
        home = _seen_from(fresh)
        options = ("--username", DATABASE, "--auth=trust", "--encoding=UTF8", "--locale=C")
        made = run([programs / "initdb", "-D", home, *options], account=account, cwd=fresh)
        if made.returncode == 0:
            single: list[str | Path] = [programs / "postgres", "--single", "-D", home, "template1"]
            made = run(single, account=account, cwd=fresh, stdin=f"CREATE DATABASE {DATABASE}\n")
        if made.returncode != 0:
            raise _failed("could not be made", made.stdout + made.stderr)
        fresh.rename(data)


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise PermanentError(
            f"the data in {data} are of PostgreSQL {found}, this release brings {MAJOR}",
            code="data_version",
            hint="dump them with the release that made them, move the folder away, and load them again",
        )


def _running(data: Path) -> int | None:
    """The postmaster that works in `data`. Its note of its pid may be stale, and the pid another's by now."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and Path(process.cwd()) == data
        return pid if ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied as error:
        raise PermanentError(
            f"the PostgreSQL in {data} was started by somebody else",
            code="data_dir",
            hint="run Patchbay as the same user, or set PATCHBAY_DATA_DIR to a folder of your own",
        ) from error


def _launch(data: Path, log: Path, account: Account) -> int:
    programs = programs_for(account)
    home = _seen_from(data)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": home,
        "unix_socket_permissions": "0700",
        "cluster_name": "patchbay",
        "max_connections": "100",
        "log_min_messages": "warning",
    }
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old"))
    with log.open("ab") as output:
        server = subprocess.Popen(  # noqa: S603  our own command line
            [
                str(programs / "postgres"),
                *("-D", home),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            cwd=data,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C meant for us must not stop it under the others
            user=account.uid if account.switches else None,
            group=account.gid if account.switches else None,
            extra_groups=[] if account.switches else None,
        )
    return server.pid


def _wait_until_ready(data: Path, pid: int, log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not _is_ready(data):
        if not _alive(pid):
            raise _failed("did not start", _tail(log))
        if time.monotonic() > deadline:
            raise TransientError(f"the embedded PostgreSQL is still starting; its log is {log}")
        time.sleep(0.02)


def _is_ready(data: Path) -> bool:
    try:
        status = (data / "postmaster.pid").read_text().splitlines()[7].strip()
    except (FileNotFoundError, IndexError):
        return False
    return status == "ready" and _accepts(data)


def _accepts(data: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(_socket_folder(data) / SOCKET)) == 0


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _stop(data: Path) -> None:
    """A fast shutdown: it ends what is open, writes everything down, and takes its pid file with it."""
    pid = _running(data)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_PATIENCE
    while _alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGQUIT)  # its own way of stopping at once; it recovers at the next start
            return
        time.sleep(0.02)
    _reap(pid)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # another process started it


def _seen_from(folder: Path) -> str:
    return HERE if Path(HERE).exists() else str(folder)


def _url(data: Path) -> str:
    return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(_socket_folder(data)), safe='/')}"


def _socket_folder(data: Path) -> Path:
    """The data folder, or where its path is too long for a socket, a link to it in a folder of ours."""
    if len(os.fsencode(data / SOCKET)) <= 100:
        return data
    links = Path(tempfile.gettempdir()) / f"patchbay-{os.geteuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    if links.is_symlink() or links.stat().st_uid != os.geteuid() or links.stat().st_mode & 0o077:
        raise PermanentError(
            f"{links} is not ours alone",
            code="data_dir",
            hint="remove it, or set PATCHBAY_DATA_DIR to a folder with a shorter path",
        )
    link = links / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    if not link.is_symlink():
        link.symlink_to(data)
    return link


def _failed(what: str, output: str) -> PermanentError:
    lines = "\n".join(output.strip().splitlines()[-15:])
    return PermanentError(
        f"the embedded PostgreSQL {what}:\n{lines}",
        code="embedded_database",
        hint="set PATCHBAY_DATA_DIR to another folder, or PATCHBAY_DATABASE_URL to a PostgreSQL of yours",
    )


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

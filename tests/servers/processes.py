"""Children that never outlive the test run: private servers on free loopback ports."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

FOLDER = "PATCHBAY_TEST_FOLDER"
"""Names where the data of private servers is kept."""
ON_DISK = "/tmp"  # noqa: S108  a folder in it has a name of its own
IN_MEMORY = Path("/dev/shm")  # noqa: S108  likewise
ROOM = 6 << 30
"""Bytes; a run's databases and queues take less than a tenth."""


@dataclass(frozen=True)
class Account:
    """A system account to run a server as."""

    uid: int
    gid: int
    name: str


GUARD = 'read -r _; kill -TERM "-$1"; sleep 3; kill -KILL "-$1"; sleep 1; rm -rf "$2"'


@dataclass
class Server:
    """One child in a process group of its own, with its output in `log` inside its private folder.

    A guard, a shell that waits for the end of this process by reading from a pipe, ends the group and removes
    the folder even when the test run is killed without a chance to clean up.
    """

    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    _child: subprocess.Popen[bytes] | None = None
    _guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child; whether it is ready is for the caller to find out with `wait_until`."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [str(word) for word in self.command],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        group = self._child.pid
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(group), str(self.log.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's too."""
        assert self._child is not None, "not started"
        return self._child.pid

    def stop(self, *, how: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> None:
        """End the child with `how`, and what is left of its group after `patience` seconds without mercy."""
        atexit.unregister(self.stop)
        child, self._child = self._child, None
        if child is not None:
            _signal_child(child, how)
            with suppress(subprocess.TimeoutExpired):
                child.wait(patience)
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
        guard, self._guard = self._guard, None
        if guard is not None:
            # The group is gone and its id may be somebody else's soon: the guard must not act on it.
            guard.kill()
            guard.wait()
            if guard.stdin is not None:
                guard.stdin.close()

    def wait_until(self, ready: Callable[[], bool], patience: float = 60.0) -> None:
        """Return when `ready` says so. Raises RuntimeError with the end of the log when it never does."""
        deadline = time.monotonic() + patience
        while not ready():
            if not self.running or time.monotonic() > deadline:
                state = "is not ready in time" if self.running else "ended"
                self.stop()
                raise RuntimeError(f"{self.command[0]} {state}; the end of its log:\n{tail(self.log)}")
            time.sleep(0.05)


def _signal_child(child: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if child.poll() is None:
        child.send_signal(how)


def _signal_group(group: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, how)


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log file."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


_chosen = ON_DISK


def keep_in_memory() -> None:
    """Keep the data of servers in memory from now on, if there is room for it.

    It outlives a killed process, and that is all that tests ask of a disk; what others write does not hold
    it up.
    """
    global _chosen  # noqa: PLW0603  one choice for the run
    try:
        free = shutil.disk_usage(IN_MEMORY).free
    except OSError:
        return
    if free >= ROOM and os.access(IN_MEMORY, os.W_OK | os.X_OK):
        _chosen = str(IN_MEMORY)


def private_folder(name: str, account: Account | None = None, *, programs: bool = False) -> Path:
    """A new folder that is removed when the run ends; `account` owns it.

    With `programs` it is where they may be run from: memory is often mounted without that.
    """
    where = ON_DISK if programs else os.environ.get(FOLDER, _chosen)
    # Short on purpose: unix sockets inside must fit into 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix=f"pb-{name}-", dir=where))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def unprivileged(*names: str) -> Account | None:
    """For root: the first account of these that exists, else `nobody`. None for everybody else."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise RuntimeError("there is no account 'nobody' to run a server as")


def docker_answers() -> bool:
    """Whether a Docker engine can be reached from here."""
    import docker  # noqa: PLC0415  slow to import, and seldom needed
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (DockerException, OSError):
        return False


def missing(server: str, remedy: str) -> NoReturn:
    """Skip the test for want of a server; in CI, where it should be there, fail."""
    message = f"no {server}: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)

"""govmomi's vCenter simulator for tests: written by others, so it can prove us wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers.processes import (
    Server,
    docker_answers,
    free_port,
    listens,
    missing,
    private_folder,
)

ADDRESS = "PATCHBAY_TEST_VCSIM_URL"
IMAGE = "vmware/vcsim:v0.52.0"
SOURCE = Path(__file__).with_name("vcsim_go") / "main.go"
PROJECT = Path(__file__).parents[2]
LIBRARY = Path("/usr/share/gocode/src/github.com/vmware/govmomi/simulator")
"""Where Debian's golang-github-vmware-govmomi-dev puts the library."""


class VcsimServer(Protocol):
    """A simulated vCenter; `url` is its SOAP endpoint with user and password in it."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class Vcsim:
    """Our own vcsim on a free loopback port. Sizes are per parent: VMs per resource pool, hosts per cluster …

    It keeps nothing: after `stop()` and `start()` the inventory is as new, under other ids and UUIDs.
    """

    def __init__(
        self,
        program: Path,
        *,
        vms: int = 4,
        hosts: int = 2,
        clusters: int = 1,
        datacenters: int = 1,
        standalone_hosts: int = 1,
        portgroups: int = 1,
        tls: bool = False,
    ) -> None:
        self._port = free_port()
        self._scheme = "https" if tls else "http"
        sizes = {
            "vm": vms,
            "host": hosts,
            "cluster": clusters,
            "dc": datacenters,
            "standalone-host": standalone_hosts,
            "pg": portgroups,
        }
        flags = [f"-{name}={size}" for name, size in sizes.items()]
        self._server = Server(
            [program, f"-l=127.0.0.1:{self._port}", f"-tls={str(tls).lower()}", *flags],
            log=private_folder("vcsim") / "log",
        )

    @property
    def url(self) -> str:
        return f"{self._scheme}://user:pass@127.0.0.1:{self._port}/sdk"

    def start(self) -> None:
        """Start and wait until it answers."""
        self._server.start()
        self._server.wait_until(lambda: listens(self._port))

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._server.stop(how=signal.SIGKILL)


class GivenVcsim:
    """A vcsim that somebody else runs; what one test does to it, the next one sees."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        pytest.skip(f"{ADDRESS} names a vcsim that is not ours to stop; unset it to use a private one")

    kill = stop


class ContainedVcsim:
    """A vcsim in a container of ours."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415  slow to import, seldom needed

        self._container = DockerContainer(IMAGE).with_exposed_ports(8989)
        self._container.with_command("-l=0.0.0.0:8989 -tls=false -vm=4 -host=2")
        self.url = ""

    def start(self) -> None:
        """Start and wait until it says that it listens."""
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

        self._container.waiting_for(LogMessageWaitStrategy(re.compile("GOVC_URL"))).start()
        host, port = self._container.get_container_host_ip(), self._container.get_exposed_port(8989)
        self.url = f"http://user:pass@{host}:{port}/sdk"

    def stop(self) -> None:
        """End it."""
        self._container.stop()

    kill = stop


MakeVcsim = Callable[..., VcsimServer]
"""Makes a simulated vCenter that is not started yet; sizes as keyword arguments of `Vcsim`."""


def find_vcsim() -> MakeVcsim:
    """How to make a vcsim here. Skips or fails when there is no way.

    Sizes hold where a program can be run; a given or contained one has its own.
    """
    if url := os.environ.get(ADDRESS):
        return lambda **_sizes: GivenVcsim(url)
    if (program := find_program()) is not None:
        return lambda **sizes: Vcsim(program, **sizes)
    if docker_answers():
        return lambda **_sizes: ContainedVcsim()
    return missing(
        "vcsim",
        f"set {ADDRESS}, put 'vcsim' on the PATH, install Go and govmomi's library "
        "(apt-get install golang-go golang-github-vmware-govmomi-dev), or start a Docker engine",
    )


def find_program() -> Path | None:
    """`vcsim` on PATH, or ours, built once per version of its source from the library on this machine."""
    if (found := shutil.which("vcsim")) is not None:
        return Path(found)
    go = shutil.which("go")
    if go is None or not LIBRARY.is_dir():
        return None
    program = PROJECT / ".cache" / "vcsim" / "vcsim"
    newest = max(SOURCE.stat().st_mtime, LIBRARY.stat().st_mtime)
    if not program.exists() or program.stat().st_mtime < newest:
        _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name(f"vcsim.{os.getpid()}")
    cache = private_folder("go", programs=True)
    subprocess.run(
        [go, "build", "-o", str(fresh), str(SOURCE)],
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(cache)},
        check=True,
        timeout=600,
    )
    # Whoever else builds at the same time makes the same thing: the last one stays.
    fresh.replace(program)

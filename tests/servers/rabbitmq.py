"""RabbitMQ for tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from tests.servers.processes import (
    Server,
    docker_answers,
    free_port,
    listens,
    missing,
    private_folder,
)

ADDRESS = "PATCHBAY_TEST_AMQP_URL"
MANAGEMENT = "PATCHBAY_TEST_AMQP_MANAGEMENT_URL"
IMAGE = "rabbitmq:4"
BATCH = 12
"""Virtual hosts made with one command: starting `rabbitmqctl` takes longer than all of them."""


class RabbitServer(Protocol):
    """A RabbitMQ that hands out virtual hosts."""

    def vhost(self) -> str:
        """The AMQP URL of a virtual host that nobody used before."""
        ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class PrivateRabbit:
    """Our own RabbitMQ with its own epmd on free loopback ports. Restarts keep ports and data."""

    def __init__(self, scripts: Path, *, settings: Sequence[str] = (), plugins: Sequence[str] = ()) -> None:
        """`settings` are further lines of rabbitmq.conf, `plugins` those to enable."""
        self._scripts = scripts
        self._settings = settings
        self._plugins = plugins
        self._folder = private_folder("mq")
        self.port = free_port()
        self.node = f"pb{self.port}@localhost"
        self._fresh: list[str] = []
        self._environment = self._make_environment()
        # The broker would start an epmd for all of the machine, which stays. Ours is in the foreground.
        self._epmd = Server(["epmd"], log=self._folder / "epmd.log", environment=self._environment)
        self._server = Server(
            [scripts / "rabbitmq-server"], log=self._folder / "log", environment=self._environment
        )

    def _make_environment(self) -> dict[str, str]:
        folder = self._folder
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            "vm_memory_high_watermark.relative = 0.6\ndisk_free_limit.absolute = 100MB\n"
            + "".join(f"{line}\n" for line in self._settings)
        )
        (folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        local = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": local,
            "RABBITMQ_CTL_ERL_ARGS": local,
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Idle schedulers spin by default, which starves whoever shares the cores.
            "RABBITMQ_SERVER_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none +S 2:2",
            "LANG": "C.UTF-8",
        }

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped or killed since."""
        return self._server.running

    def start(self) -> None:
        """Start and wait until connections are accepted and used."""
        if not self._epmd.running:
            self._epmd.start()
            self._epmd.wait_until(lambda: listens(int(self._environment["ERL_EPMD_PORT"])), patience=20)
        self._server.start()
        self._server.wait_until(lambda: speaks_amqp(self.port), patience=90)

    def stop(self) -> None:
        """Shut the broker down in good order; clients see their connections closed."""
        self._server.stop(how=signal.SIGTERM, patience=30)
        self._epmd.stop()

    def kill(self) -> None:
        """As in a power cut, save that the disk keeps what it was given."""
        # The broker writes its list of quorum queues down half a second late. A queue that is younger when
        # the broker is killed never answers again, and no client can do anything about it.
        self.evaluate("[dets:sync(Table) || Table <- dets:all()], ok.")
        self._server.stop(how=signal.SIGKILL)
        self._epmd.stop()
        # The broker is a grandchild: its end can't be waited for, only seen.
        while listens(self.port):
            time.sleep(0.02)

    def vhost(self) -> str:
        """The AMQP URL of a virtual host that nobody used before."""
        if not self._fresh:
            self._fresh = new_names()
            self.evaluate(making(self._fresh, "guest"))
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{self._fresh.pop()}"

    def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression in the broker: counting, looking, cutting connections."""
        return self.control("eval", expression)

    def control(self, *words: str) -> str:
        """Run `rabbitmqctl` against this broker and return what it prints."""
        done = subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "-n", self.node, "--quiet", *words],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {words[0]}: {done.stdout}{done.stderr}")
        return done.stdout.strip()


@contextmanager
def private_broker() -> Iterator[PrivateRabbit]:
    """A running broker of our own. Skips or fails where there can be none."""
    scripts = find_scripts()
    if scripts is None:
        missing("RabbitMQ", "a private one is needed here; install it (apt-get install rabbitmq-server)")
    server = PrivateRabbit(scripts)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class GivenRabbit:
    """A RabbitMQ that somebody else runs, reached over its management API as well."""

    def __init__(self, url: str, management: str) -> None:
        self._url = urlsplit(url)
        self._management = management.rstrip("/")

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        pytest.skip(f"{ADDRESS} names a broker that is not ours to stop; unset it to use a private one")

    kill = stop

    def vhost(self) -> str:
        """The AMQP URL of a virtual host that nobody used before."""
        (name,) = new_names(1)
        user = self._url.username or "guest"
        self._put(f"/api/vhosts/{name}", {})
        allowed = {"configure": ".*", "write": ".*", "read": ".*"}
        self._put(f"/api/permissions/{name}/{quote(user, safe='')}", allowed)
        return urlunsplit(self._url._replace(path=f"/{name}"))

    def _put(self, path: str, body: dict[str, str]) -> None:
        login = f"{self._url.username or 'guest'}:{self._url.password or 'guest'}"
        request = urllib.request.Request(  # noqa: S310  the address is the tester's own
            self._management + path,
            method="PUT",
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Basic {b64encode(login.encode()).decode()}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20):  # noqa: S310
                pass
        except (urllib.error.URLError, OSError) as error:
            missing("RabbitMQ management API", f"set {MANAGEMENT} to one that answers ({error})")


class ContainedRabbit(GivenRabbit):
    """A RabbitMQ in a container of ours, without the management API."""

    def __init__(self) -> None:
        from testcontainers.rabbitmq import RabbitMqContainer  # noqa: PLC0415  slow to import, seldom needed

        self._container = RabbitMqContainer(IMAGE)
        self._container.start()  # its reaper removes it when this process ends, however it ends
        port = self._container.get_exposed_port(5672)
        super().__init__(f"amqp://guest:guest@{self._container.get_container_host_ip()}:{port}/", "")
        self._fresh: list[str] = []

    def vhost(self) -> str:
        """The AMQP URL of a virtual host that nobody used before."""
        if not self._fresh:
            self._fresh = new_names()
            code, output = self._container.exec(["rabbitmqctl", "eval", making(self._fresh, "guest")])
            if code != 0:
                raise RuntimeError(f"rabbitmqctl eval: {output!r}")
        return urlunsplit(self._url._replace(path=f"/{self._fresh.pop()}"))


def speaks_amqp(port: int) -> bool:
    """Whether a broker answers AMQP's protocol header. It opens its port some time before it does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def new_names(count: int = BATCH) -> list[str]:
    """Names of virtual hosts that no run used before."""
    return [f"t-{secrets.token_hex(6)}" for _ in range(count)]


def making(names: list[str], user: str) -> str:
    """The Erlang expression that makes virtual hosts which `user` may use."""
    listed = ",".join(f'<<"{name}">>' for name in names)
    return (
        f'[begin ok = rabbit_vhost:add(V, <<"tests">>), '
        f'ok = rabbit_auth_backend_internal:set_permissions(<<"{user}">>, V, <<".*">>, <<".*">>, <<".*">>, '
        f'<<"tests">>) end || V <- [{listed}]], ok.'
    )


def find_rabbitmq() -> tuple[RabbitServer, bool]:
    """A running RabbitMQ, and whether it is ours to stop. Skips or fails when there is none."""
    if url := os.environ.get(ADDRESS):
        host = urlsplit(url).hostname or "127.0.0.1"
        return GivenRabbit(url, os.environ.get(MANAGEMENT) or f"http://{host}:15672"), False
    if (scripts := find_scripts()) is not None:
        server = PrivateRabbit(scripts)
        server.start()
        return server, True
    if docker_answers():
        return ContainedRabbit(), False
    return missing(
        "RabbitMQ",
        f"set {ADDRESS} to a broker's URL, install it (apt-get install rabbitmq-server), "
        "or start a Docker engine",
    )


def find_scripts() -> Path | None:
    """The folder of the broker's own scripts. Debian's wrappers on PATH insist on root or user rabbitmq."""
    if shutil.which("erl") is None or shutil.which("epmd") is None:
        return None
    candidates = [Path("/usr/lib/rabbitmq/bin")]
    if (found := shutil.which("rabbitmq-server")) is not None:
        candidates.append(Path(found).parent)
    for folder in candidates:
        if all(os.access(folder / name, os.X_OK) for name in ("rabbitmq-server", "rabbitmqctl")):
            return folder
    return None

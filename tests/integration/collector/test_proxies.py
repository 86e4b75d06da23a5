"""On the way to a vCenter: HTTP proxies, with and without a login; TLS begins behind them."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.collector import registry
from services.collector.checking import check
from services.collector.registry import NewVcenter
from services.simulator.app import RunningSimulator
from shared.events.inventory import SnapshotCompleted
from shared.events.vcenter import VcenterHeartbeat, VcenterLost
from tests.integration.collector.conftest import USER, Bench, simulator
from tests.integration.collector.test_checking import failed, shown_thumbprint
from tests.integration.collector.truth import add_up
from tests.servers.processes import free_port

pytestmark = pytest.mark.postgres
LOGIN = "anna:pr0xy-s3cret"


@dataclass
class Proxy:
    """A proxy that tunnels, asking for a login if it has one; every name leads to this machine."""

    login: str | None = None
    port: int = 0
    host: str = "127.0.0.1"
    asked_for: list[str] = field(default_factory=list)
    tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break every tunnel."""
        for tunnel in self.tunnels:
            tunnel.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        verb, target, _ = head.split(" ", 2)
        self.asked_for.append(f"{verb} {target}")
        expected = None if self.login is None else b64encode(self.login.encode()).decode()
        if expected is not None and f"Proxy-Authorization: Basic {expected}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            writer.close()
            return
        there, back = await asyncio.open_connection(self.host, int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for source, sink in ((reader, back), (there, writer)):
            tunnel = asyncio.create_task(_pump(source, sink))
            self.tunnels.add(tunnel)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy(LOGIN).running() as running:
        yield running


@pytest.fixture
def reference(proxy: Proxy, tmp_path: Path) -> str:
    """Where the proxy's URL with its login is kept."""
    kept = tmp_path / "proxy"
    kept.write_text(f"http://{LOGIN}@127.0.0.1:{proxy.port}\n")
    return f"file:{kept}"


def through(sim: RunningSimulator, bench: Bench, proxy: str | None, **changed: str) -> NewVcenter:
    new = NewVcenter("lab", sim.url, f"text:{USER}", f"file:{bench.password_file}", proxy=proxy)
    return NewVcenter(**(vars(new) | changed))


async def test_a_vcenter_is_watched_through_a_proxy_and_pinned_behind_it(
    bench: Bench, proxy: Proxy, reference: str
) -> None:
    async with simulator(self_signed=True) as sim:
        shown = await asyncio.to_thread(shown_thumbprint, sim)
        new = through(sim, bench, reference, tls="thumbprint", tls_detail=shown)
        assert all(one.ok for one in await check(new))
        await registry.add(bench.pool, new)
        async with bench.collector():
            await bench.observer.first(VcenterHeartbeat)
            seen = bench.observer.seen
            proxy.cut()
            lost = await bench.observer.first(VcenterLost, seen)
            await bench.observer.first(SnapshotCompleted, seen)
        assert lost.cause == "unreachable"
        assert set(proxy.asked_for) == {f"CONNECT 127.0.0.1:{sim.port}"}


async def test_g9_a_proxy_that_refuses_the_login_is_named_and_the_login_is_not(
    bench: Bench, sim: RunningSimulator, proxy: Proxy
) -> None:
    new = through(sim, bench, f"text:http://127.0.0.1:{proxy.port}")
    await registry.add(bench.pool, new)
    async with bench.collector():
        lost = await bench.registered("lab", lambda vcenter: vcenter.state == "lost")
    assert "407" in lost.state_detail
    assert LOGIN not in repr(lost)


async def test_a_proxy_that_is_not_there_is_named_by_the_check(bench: Bench, sim: RunningSimulator) -> None:
    port = free_port()
    refused = failed(await check(through(sim, bench, f"text:http://127.0.0.1:{port}")))
    assert refused.name == "address"
    assert f"the proxy 127.0.0.1 port {port}" in refused.detail
    missing = failed(await check(through(sim, bench, "env:NO_SUCH_VARIABLE")))
    assert "NO_SUCH_VARIABLE" in missing.detail


async def test_the_environment_s_proxy_is_used_unless_the_vcenter_says_otherwise(
    bench: Bench, sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine itself is never reached through a proxy."""
    async with Proxy().running() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        url = sim.url.replace("127.0.0.1", "vcenter.example")
        everything = through(sim, bench, None, url=url, tls="insecure")
        await registry.add(bench.pool, everything)
        async with bench.collector():
            await bench.observer.first(SnapshotCompleted)
            await add_up(bench.observer, sim)
            seen = bench.observer.seen
            await registry.change(bench.pool, "lab", url=sim.url)
            await bench.observer.first(SnapshotCompleted, seen)
        assert set(proxy.asked_for) == {f"CONNECT vcenter.example:{sim.port}"}

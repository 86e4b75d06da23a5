"""A vCenter, and a proxy before it, at addresses of IPv6."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from services.collector import registry
from services.collector.checking import check
from services.collector.registry import NewVcenter
from services.simulator.app import RunningSimulator
from shared.events.inventory import SnapshotCompleted
from tests.integration.collector.conftest import USER, Bench, simulator
from tests.integration.collector.test_proxies import LOGIN, Proxy
from tests.integration.collector.truth import add_up

HERE = "::1"


def _speaks_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HERE, 0))
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not _speaks_ipv6(), reason="this machine has no IPv6, not even to itself"),
]


def registered_as(sim: RunningSimulator, bench: Bench, **more: str) -> NewVcenter:
    return NewVcenter("lab", sim.url, f"text:{USER}", f"file:{bench.password_file}", **more)  # type: ignore[arg-type]


async def test_a_vcenter_at_an_ipv6_address_is_checked_and_watched(bench: Bench) -> None:
    async with simulator(host=HERE) as sim:
        assert sim.url == f"http://[::1]:{sim.port}/sdk"
        assert all(one.ok for one in await check(registered_as(sim, bench)))
        kept = await registry.add(bench.pool, registered_as(sim, bench))
        assert kept.url == sim.url
        async with bench.collector():
            await bench.observer.first(SnapshotCompleted)
            await add_up(bench.observer, sim)


async def test_its_certificate_is_verified_behind_a_proxy_at_an_ipv6_address(
    bench: Bench, tmp_path: Path
) -> None:
    """The certificate names the bare address, the proxy is told it in brackets."""
    async with simulator(host=HERE, self_signed=True) as sim, Proxy(LOGIN, host=HERE).running() as proxy:
        shown = await asyncio.to_thread(ssl.get_server_certificate, (HERE, sim.port))
        (tmp_path / "ca.pem").write_text(shown)
        (tmp_path / "proxy").write_text(f"http://{LOGIN}@[::1]:{proxy.port}")
        new = registered_as(
            sim, bench, tls="ca_file", tls_detail=f"{tmp_path}/ca.pem", proxy=f"file:{tmp_path}/proxy"
        )
        found = await check(new)
        assert all(one.ok for one in found), found
        await registry.add(bench.pool, new)
        async with bench.collector():
            completed = await bench.observer.first(SnapshotCompleted)
        assert completed.counts["vm"] == len(sim.world.machines)
        assert set(proxy.asked_for) == {f"CONNECT [::1]:{sim.port}"}

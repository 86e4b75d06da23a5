"""`vcenter check`: what is wrong is named, and what to do about it."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.collector.checking import Check, check
from services.collector.registry import NewVcenter, Vcenter
from services.simulator.app import RunningSimulator
from tests.integration.collector.conftest import PASSWORD, USER, simulator
from tests.servers.processes import free_port


@pytest.fixture
async def secure() -> AsyncIterator[RunningSimulator]:
    async with simulator(self_signed=True) as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    return path


def given(sim: RunningSimulator, secret: Path, **changed: str) -> NewVcenter:
    values = {
        "name": "lab",
        "url": sim.url,
        "user_ref": f"text:{USER}",
        "password_ref": f"file:{secret}",
        **changed,
    }
    return NewVcenter(**values)  # type: ignore[arg-type]


def failed(checks: list[Check]) -> Check:
    [one] = [check for check in checks if not check.ok]
    assert one.remedy
    return one


def shown_thumbprint(sim: RunningSimulator) -> str:
    return hashlib.sha256(
        ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((sim.host, sim.port)))
    ).hexdigest()


async def test_a_healthy_vcenter_passes_everything(sim: RunningSimulator, secret: Path) -> None:
    checks = await check(given(sim, secret))
    assert [one.name for one in checks] == [
        *("address", "tls", "credentials", "login", "identity", "clock", "privileges"),
    ]
    assert all(one.ok for one in checks)
    assert PASSWORD not in repr(checks)


async def test_nothing_is_left_at_the_vcenter(sim: RunningSimulator, secret: Path) -> None:
    await check(given(sim, secret))
    assert not [session for session in sim.world.sessions.values() if session.dead is None]


async def test_an_unknown_certificate_is_shown_for_pinning(secure: RunningSimulator, secret: Path) -> None:
    shown = await asyncio.to_thread(shown_thumbprint, secure)
    refused = failed(await check(given(secure, secret)))
    assert refused.name == "tls"
    assert shown in refused.detail
    pinned = await check(given(secure, secret, tls="thumbprint", tls_detail=shown))
    assert all(one.ok for one in pinned)
    other = failed(await check(given(secure, secret, tls="thumbprint", tls_detail="0" * 64)))
    assert other.name == "tls"
    insecure = await check(given(secure, secret, tls="insecure"))
    assert all(one.ok for one in insecure)


async def test_a_certificate_is_verified_against_a_given_bundle(
    secure: RunningSimulator, secret: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(await asyncio.to_thread(ssl.get_server_certificate, (secure.host, secure.port)))
    assert all(one.ok for one in await check(given(secure, secret, tls="ca_file", tls_detail=str(bundle))))
    missing = failed(await check(given(secure, secret, tls="ca_file", tls_detail=str(tmp_path / "none.pem"))))
    assert missing.name == "tls"
    assert "none.pem" in missing.detail


async def test_an_address_that_does_not_answer(sim: RunningSimulator, secret: Path) -> None:
    assert failed(await check(given(sim, secret, url=f"http://127.0.0.1:{free_port()}"))).name == "address"
    assert failed(await check(given(sim, secret, url="ftp://127.0.0.1"))).name == "address"


async def test_a_wrong_and_a_missing_password(sim: RunningSimulator, secret: Path) -> None:
    secret.write_text("wr0ng")  # noqa: ASYNC240  a few bytes, in a test
    rejected = failed(await check(given(sim, secret)))
    assert rejected.name == "login"
    assert "wr0ng" not in repr(rejected)
    assert failed(await check(given(sim, secret, password_ref="env:NO_SUCH_VARIABLE"))).name == "credentials"


async def test_another_vcenter_under_the_address(sim: RunningSimulator, secret: Path) -> None:
    new = given(sim, secret)
    registered = Vcenter(new.name, new.url, new.user_ref, new.password_ref, id=uuid4(), instance_uuid=uuid4())
    assert failed(await check(registered)).name == "identity"


async def test_a_wrong_clock(sim: RunningSimulator, secret: Path) -> None:
    sim.world.set_time_skew(120)
    assert failed(await check(given(sim, secret))).name == "clock"


async def test_missing_privileges_are_named(sim: RunningSimulator, secret: Path) -> None:
    sim.world.deny_privileges(["System.Read"])
    refused = failed(await check(given(sim, secret)))
    assert refused.name == "privileges"
    assert "System.Read" in refused.detail

"""PostgreSQL over TLS: verified unless a person says otherwise (G9)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from shared.runtime.errors import PermanentError
from shared.runtime.settings import CoreSettings, load_settings
from shared.store import dialing
from shared.store.connection import connect
from shared.store.pool import open_pool
from tests.servers.certificates import Authority
from tests.servers.postgres import PrivatePostgres, find_binaries
from tests.servers.processes import missing

pytestmark = [pytest.mark.postgres]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[PrivatePostgres]:
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL", "a private one is needed here; install it (apt-get install postgresql)")
    server = PrivatePostgres(binaries)
    server.start()
    asyncio.run(_encrypt(server.url, authority))
    yield server
    server.stop()


async def _encrypt(url: str, authority: Authority) -> None:
    connection = await asyncpg.connect(url)
    data = Path(await connection.fetchval("SHOW data_directory"))
    for source, name in zip(authority.issue("database"), ("cert", "key"), strict=True):
        await asyncio.to_thread(_hand_over, source, data / f"tls.{name}", data)
        await connection.execute(f"ALTER SYSTEM SET ssl_{name}_file = 'tls.{name}'")
    await connection.execute("ALTER SYSTEM SET ssl = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def _hand_over(source: Path, target: Path, owner: Path) -> None:
    shutil.copyfile(source, target)
    os.chown(target, owner.stat().st_uid, owner.stat().st_gid)
    target.chmod(0o600)


async def encrypted(url: str) -> bool:
    """Connect, and say whether the connection is."""
    connection = await connect(url, name="test")
    try:
        found: bool = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return found
    finally:
        await connection.close()


def address(server: PrivatePostgres, ca: Path) -> str:
    """What the settings come to."""
    environment = {"PATCHBAY_DATABASE_URL": server.url, "PATCHBAY_DATABASE__CA_FILE": str(ca)}
    found = load_settings(CoreSettings, environment).database_address()
    assert found is not None
    return found


async def test_a_database_whose_ca_is_named(server: PrivatePostgres, authority: Authority) -> None:
    url = address(server, authority.ca)
    assert await encrypted(url)
    pool = await open_pool(url, name="test", size=2)
    assert await pool.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await pool.close()


async def test_g9_a_database_of_another_ca_is_refused(server: PrivatePostgres, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="the database's certificate is not trusted") as caught:
        await connect(address(server, Authority(tmp_path, "other").ca), name="test")
    assert caught.value.code == "database_tls"
    assert "PATCHBAY_DATABASE__CA_FILE" in (caught.value.hint or "")


async def test_g9_a_name_that_is_not_in_the_certificate_is_refused(
    server: PrivatePostgres, authority: Authority
) -> None:
    with pytest.raises(PermanentError, match="localhost"):
        await connect(address(server, authority.ca).replace("127.0.0.1", "localhost"), name="test")


async def test_g9_elsewhere_a_certificate_nobody_vouches_for_is_refused(
    server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is for every address that is not on this machine."""
    monkeypatch.setattr(dialing, "_is_ours_to_verify", lambda _: True)
    with pytest.raises(PermanentError, match="not trusted"):
        await connect(server.url, name="test")


async def test_unverified_only_when_a_person_says_so(server: PrivatePostgres) -> None:
    assert await encrypted(f"{server.url}?sslmode=require")


async def test_a_ca_for_a_server_without_tls_is_refused(database: str, authority: Authority) -> None:
    with pytest.raises(PermanentError, match="does not offer TLS"):
        await connect(f"{database}?sslrootcert={authority.ca}", name="test")


async def test_a_ca_file_that_is_not_there_is_named(database: str) -> None:
    with pytest.raises(PermanentError, match="/not/there"):
        await connect(f"{database}?sslrootcert=/not/there", name="test")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("postgresql://u@db.example/d", True),
        ("postgresql://u@192.0.2.7:5432/d", True),
        ("postgresql://u@[2001:db8::1]/d", True),
        ("postgresql://u@db.example/d?sslmode=require", False),
        ("postgresql://u@127.0.0.1/d", False),
        ("postgresql://u@[::1]/d", False),
        ("postgresql://u@localhost/d", False),
        ("postgresql:///d?host=/var/run/postgresql", False),
        ("postgresql://u@127.0.0.1/d?sslrootcert=/ca.pem", True),
    ],
)
def test_g9_what_leaves_the_machine_is_verified(url: str, ours: bool) -> None:
    assert dialing._is_ours_to_verify(url) is ours

"""RabbitMQ over TLS: verified unless a person says otherwise (G9), and certificates as logins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.bus.port import Bus, BusLost
from shared.bus.rabbitmq import connect
from shared.runtime.errors import PermanentError
from shared.runtime.settings import CoreSettings, load_settings
from tests.contract.bus.samples import SMALL, WORK, job, numbers, take
from tests.servers.certificates import Authority, Pair
from tests.servers.processes import free_port, missing
from tests.servers.rabbitmq import PrivateRabbit, find_scripts

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]


@dataclass
class TlsBroker:
    """A broker with TLS on a port of its own."""

    broker: PrivateRabbit
    port: int
    ca: Path
    client: Pair

    def settings(self, host: str = "127.0.0.1", user: str = "guest:guest@", **more: str) -> str:
        """The address that these settings come to."""
        vhost = urlsplit(self.broker.vhost()).path
        environment = {"PATCHBAY_AMQP_URL": f"amqps://{user}{host}:{self.port}{vhost}"}
        environment |= {f"PATCHBAY_AMQP__{name.upper()}": value for name, value in more.items()}
        address = load_settings(CoreSettings, environment).amqp_address()
        assert address is not None
        return address


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    scripts = find_scripts()
    if scripts is None:
        missing("RabbitMQ", "a private one is needed here; install it (apt-get install rabbitmq-server)")
    folder = tmp_path_factory.mktemp("tls")
    authority, port = Authority(folder), free_port()
    server = authority.issue("broker")
    settings = (
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {authority.ca}",
        f"ssl_options.certfile = {server.certificate}",
        f"ssl_options.keyfile = {server.key}",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = false",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = EXTERNAL",
        "ssl_cert_login_from = common_name",
    )
    broker = PrivateRabbit(scripts, settings=settings, plugins=("rabbitmq_auth_mechanism_ssl",))
    broker.start()
    yield TlsBroker(broker, port, authority.ca, authority.issue("patchbay-client"))
    broker.stop()


async def works(bus: Bus) -> None:
    """Publishing and consuming do."""
    await bus.declare(SMALL)
    await bus.publish([job(1)])
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 1)) == [1]
    await bus.close()


async def test_a_broker_whose_ca_is_named(tls: TlsBroker) -> None:
    await works(await connect(tls.settings(ca_file=str(tls.ca)), name="test"))


@pytest.mark.parametrize("other", [True, False])
async def test_g9_a_broker_of_another_ca_is_refused(tls: TlsBroker, tmp_path: Path, other: bool) -> None:
    more = {"ca_file": str(Authority(tmp_path, "other").ca)} if other else {}
    with pytest.raises(PermanentError, match="the broker's certificate is not trusted") as caught:
        await connect(tls.settings(**more), name="test")
    assert caught.value.code == "broker_tls"
    assert "PATCHBAY_AMQP__CA_FILE" in (caught.value.hint or "")


async def test_g9_a_broker_by_a_name_that_is_not_its_own_is_refused(tls: TlsBroker) -> None:
    with pytest.raises(PermanentError, match=r"not trusted.*localhost"):
        await connect(tls.settings(host="localhost", ca_file=str(tls.ca)), name="test")


async def test_g9_unverified_only_when_a_person_says_so(tls: TlsBroker) -> None:
    await works(await connect(tls.settings(verify="false"), name="test"))


async def test_a_certificate_as_the_login(tls: TlsBroker) -> None:
    """With the plugin, its common name is the user; no password is anywhere."""
    address = tls.settings(
        user="",
        ca_file=str(tls.ca),
        certificate_file=str(tls.client.certificate),
        key_file=str(tls.client.key),
    )
    vhost = urlsplit(address).path.lstrip("/")
    tls.broker.control("add_user", "patchbay-client", "never used")
    tls.broker.control("set_permissions", "-p", vhost, "patchbay-client", ".*", ".*", ".*")
    await works(await connect(address, name="test"))
    users = tls.broker.evaluate("[U || {U} <- rabbit_networking:connection_info_all([user])].")
    assert "guest" not in users


async def test_a_certificate_of_another_ca_is_no_login(tls: TlsBroker, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "other").issue("patchbay-client")
    address = tls.settings(
        user="", ca_file=str(tls.ca), certificate_file=str(stranger.certificate), key_file=str(stranger.key)
    )
    with pytest.raises((PermanentError, BusLost), match=r"TLS|certificate|lost while connecting"):
        await connect(address, name="test")


async def test_a_certificate_where_none_is_taken_as_a_login(rabbitmq_url: str) -> None:
    """A broker without the plugin."""
    with pytest.raises(PermanentError, match="does not offer") as caught:
        await connect(f"{rabbitmq_url}?auth=external", name="test")
    assert "rabbitmq_auth_mechanism_ssl" in (caught.value.hint or "")


async def test_a_port_without_tls_is_told(tls: TlsBroker) -> None:
    plain = f"amqps://guest:guest@127.0.0.1:{tls.broker.port}/"
    with pytest.raises(PermanentError, match="no TLS with the broker"):
        await connect(plain, name="test")


async def test_a_file_that_is_not_there_is_named(tls: TlsBroker) -> None:
    with pytest.raises(PermanentError, match="/not/there"):
        await connect(tls.settings(ca_file="/not/there"), name="test")

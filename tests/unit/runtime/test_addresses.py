"""What is set about a server, as one URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.rabbitmq_address import BrokerAddress
from shared.runtime.addresses import with_query, without_query
from shared.runtime.errors import PermanentError
from shared.runtime.secret_files import read_login
from shared.runtime.settings import CoreSettings, load_settings

WORDS = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=1, max_size=20)


@given(value=WORDS, other=WORDS)
def test_what_goes_into_the_query_comes_out_again(value: str, other: str) -> None:
    url = with_query("amqp://host/v?heartbeat=5", {"password_file": value, "cafile": other, "none": None})
    left, taken = without_query(url, "password_file")
    assert taken == {"password_file": value}
    assert without_query(left, "cafile")[1] == {"cafile": other}
    assert "heartbeat=5" in left


def test_the_url_goes_before_the_settings() -> None:
    assert with_query("amqps://h/?cafile=/mine", {"cafile": "/theirs"}) == "amqps://h/?cafile=/mine"


@pytest.mark.parametrize("url", ["postgresql://u:p%40s@h/d", "postgresql:///d?host=/var/run/pg"])
def test_a_url_without_our_parameters_stays_as_it_was_written(url: str) -> None:
    assert without_query(url, "password_file") == (url, {})


def test_settings_become_addresses() -> None:
    settings = load_settings(
        CoreSettings,
        {
            "PATCHBAY_AMQP_URL": "amqps://patchbay@mq.example/v",
            "PATCHBAY_AMQP__PASSWORD_FILE": "/run/secrets/mq",
            "PATCHBAY_AMQP__CA_FILE": "/etc/ca.pem",
            "PATCHBAY_AMQP__VERIFY": "false",
            "PATCHBAY_AMQP__GROUP_SIZE": "3",
            "PATCHBAY_DATABASE_URL": "postgresql://patchbay@db/d",
            "PATCHBAY_DATABASE__CERTIFICATE_FILE": "/etc/me.pem",
        },
    )
    address = BrokerAddress.of(settings.amqp_address() or "")
    assert address.password_file == Path("/run/secrets/mq")
    assert address.group_size == 3
    assert address.url == "amqps://patchbay@mq.example/v?cafile=/etc/ca.pem&no_verify_ssl=1"
    assert settings.database_address() == "postgresql://patchbay@db/d?sslcert=/etc/me.pem"


def test_a_url_out_of_a_file_is_read_again_for_its_password(tmp_path: Path) -> None:
    file = tmp_path / "amqp"
    file.write_text("amqp://patchbay:first@mq/v\n")
    settings = load_settings(CoreSettings, {"PATCHBAY_AMQP_URL_FILE": str(file)})
    address = BrokerAddress.of(settings.amqp_address() or "")
    assert (address.now().user, address.now().password) == ("patchbay", "first")
    file.write_text("amqp://other:sec%40nd@mq/v\n")
    assert (address.now().user, address.now().password) == ("other", "sec@nd")


def test_a_certificate_without_a_user_is_the_login(tmp_path: Path) -> None:
    pem = tmp_path / "me.pem"
    pem.write_text("")
    assert BrokerAddress(f"amqps://mq/v?certfile={pem}").now().query["auth"] == "external"
    assert "auth" not in BrokerAddress(f"amqps://u:p@mq/v?certfile={pem}").now().query


@pytest.mark.parametrize("content", ["amqp://[broken", "amqp://mq/v", None])
def test_g9_a_file_that_is_no_use_is_named_without_its_content(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PermanentError, match=str(file)) as caught:
        read_login(file)
    assert caught.value.code == "password_file"
    assert "broken" not in str(caught.value)


def test_a_missing_tls_file_is_named_with_its_setting() -> None:
    with pytest.raises(PermanentError, match="PATCHBAY_AMQP__CA_FILE"):
        BrokerAddress("amqps://mq/v?cafile=/not/there").now()

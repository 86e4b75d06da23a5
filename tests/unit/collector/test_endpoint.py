"""Addresses and references: what is taken, and that nothing is quoted that should not be."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from services.collector.credentials import check_reference, resolve
from services.collector.vsphere.endpoint import Credentials, parse_endpoint
from shared.runtime.errors import PermanentError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("vc.example.net", "https://vc.example.net:443/sdk"),
        ("https://vc.example.net/", "https://vc.example.net:443/sdk"),
        ("https://vc.example.net:8443/sdk", "https://vc.example.net:8443/sdk"),
        ("https://[2001:db8::1]/sdk", "https://[2001:db8::1]:443/sdk"),
        ("http://127.0.0.1:8989/sdk", "http://127.0.0.1:8989/sdk"),
    ],
)
def test_addresses_in_the_ways_people_write_them(text: str, url: str) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint.url == url
    assert parse_endpoint(endpoint.url) == endpoint


def test_plain_http_to_another_machine_has_to_be_said_twice() -> None:
    with pytest.raises(PermanentError, match="clear text"):
        parse_endpoint("http://vc.example.net")
    assert parse_endpoint("http://vc.example.net", "insecure").port == 80


def test_a_thumbprint_is_taken_with_or_without_colons() -> None:
    digits = "AB" * 32
    colons = ":".join(["AB"] * 32)
    assert parse_endpoint("vc", "thumbprint", colons) == parse_endpoint("vc", "thumbprint", digits)
    with pytest.raises(PermanentError, match="SHA-256"):
        parse_endpoint("vc", "thumbprint", "AB" * 20)


def test_g9_a_password_has_no_representation() -> None:
    assert "hunter2" not in repr(Credentials("me", SecretStr("hunter2")))


def test_g9_a_secret_given_for_a_reference_is_refused_unquoted() -> None:
    for given in ("hunter2", "text:hunter2", "env:", ""):
        with pytest.raises(PermanentError) as refused:
            check_reference(given, what="the password", secret=True)
        assert "hunter2" not in f"{refused.value}{refused.value.hint}"


def test_references_are_resolved_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentError, match="VC_PASSWORD"):
        resolve("env:VC_PASSWORD", what="the password")
    monkeypatch.setenv("VC_PASSWORD", "one")
    assert resolve("env:VC_PASSWORD", what="the password").get_secret_value() == "one"

"""Proxies as they are written, and as the environment has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.collector.credentials import check_proxy, proxy_for
from services.collector.vsphere.endpoint import parse_endpoint
from services.collector.vsphere.proxies import parse_proxy
from shared.runtime.errors import PermanentError

VCENTER = parse_endpoint("https://vc.example.net")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("http://proxy.example.net:3128", "proxy.example.net", 3128),
        ("proxy.example.net:8080/", "proxy.example.net", 8080),
        ("http://[2001:db8::7]:8080", "2001:db8::7", 8080),
        ("proxy", "proxy", 3128),
    ],
)
def test_a_proxy_is_host_and_port(written: str, host: str, port: int) -> None:
    proxy = parse_proxy(written, secret=False)
    assert (proxy.host, proxy.port, dict(proxy.headers())) == (host, port, {})


@pytest.mark.parametrize("written", ["socks5://p:1", "https://p:1", "http://p:port", "http://", "http://p/x"])
def test_what_is_no_http_proxy_is_refused(written: str) -> None:
    with pytest.raises(PermanentError) as refused:
        check_proxy(f"text:{written}")
    assert refused.value.code == "vcenter_proxy"


def test_g9_a_login_comes_from_a_place_for_secrets_and_shows_nowhere(tmp_path: Path) -> None:
    url = "http://anna:s%40cret@proxy:3128"
    with pytest.raises(PermanentError) as refused:
        check_proxy(f"text:{url}")
    assert "cret" not in f"{refused.value} {refused.value.hint}"
    kept = tmp_path / "proxy"
    kept.write_text(f"{url}\n")
    check_proxy(f"file:{kept}")
    proxy = proxy_for(VCENTER, f"file:{kept}")
    assert proxy is not None
    assert proxy.headers() == {"Proxy-Authorization": "Basic YW5uYTpzQGNyZXQ="}
    assert "s@cret" not in repr(proxy)


def test_the_environment_counts_unless_it_is_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for(VCENTER, None) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    found = proxy_for(VCENTER, None)
    assert found is not None
    assert found.host == "proxy"
    assert proxy_for(VCENTER, "direct") is None
    assert proxy_for(parse_endpoint("https://127.0.0.1:8989"), None) is None
    assert proxy_for(parse_endpoint("https://localhost"), None) is None
    monkeypatch.setenv("NO_PROXY", ".example.net")
    assert proxy_for(VCENTER, None) is None
    other = proxy_for(VCENTER, "text:http://other:8080")
    assert other is not None
    assert (other.host, other.port) == ("other", 8080)

"""Ranges, routes, labels and fixes as people write them."""

from __future__ import annotations

import pytest

from services.cli.subnets import address_range, labels, port_fix, port_fixes, route


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.10-10.0.0.99", "10.0.0.10", "10.0.0.99"),
        ("10.0.0.10-99", "10.0.0.10", "10.0.0.99"),
        ("10.0.0.10", "10.0.0.10", "10.0.0.10"),
        ("2001:db8::10 - 2001:DB8::1f", "2001:db8::10", "2001:db8::1f"),
    ],
)
def test_ranges(text: str, first: str, last: str) -> None:
    found = address_range(text)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize("text", ["10.0.0.10-", "10.0.0.10-300", "10.0.0-9", "x"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|address"):
        address_range(text)


def test_routes_and_labels() -> None:
    found = route("10.9.0.0/16=10.0.0.254")
    assert (found.to, found.via) == ("10.9.0.0/16", "10.0.0.254")
    assert labels(["site=berlin", "note=a=b"]) == {"site": "berlin", "note": "a=b"}
    for wrong in ("10.9.0.0/16", "10.9.0.1/16=10.0.0.1"):
        with pytest.raises(ValueError, match="route"):
            route(wrong)
    with pytest.raises(ValueError, match="label"):
        labels(["berlin"])


def test_fixes() -> None:
    assert port_fix("10.0.0.9") == {"port": None, "address": "10.0.0.9"}
    assert port_fix("4000=10.0.0.9") == {"port": "4000", "address": "10.0.0.9"}
    assert port_fix("Network adapter 1=2001:DB8::9") == {
        "port": "Network adapter 1",
        "address": "2001:db8::9",
    }
    for wrong in ("=10.0.0.9", "4000=", "4000"):
        with pytest.raises(ValueError, match=r"port|address"):
            port_fix(wrong)


def test_a_port_with_all_its_addresses() -> None:
    assert port_fixes("Network adapter 1=10.0.0.9, 2001:DB8::9") == [
        {"port": "Network adapter 1", "address": "10.0.0.9"},
        {"port": "Network adapter 1", "address": "2001:db8::9"},
    ]
    for wrong in ("10.0.0.9", "=10.0.0.9", "4000=", "4000=10.0.0.999", "4000=10.0.0.9,,"):
        with pytest.raises(ValueError, match=r"is no port with|is not an IPv4"):
            port_fixes(wrong)

"""Every mistake in a subnet has its own code, field and words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

import pytest

from shared.ipam.domain import Interval, check_subnet, default_ranges, why_not_allocatable


@dataclass(frozen=True)
class Range:
    first: str
    last: str


@dataclass(frozen=True)
class Route:
    to: str
    via: str


@dataclass(frozen=True)
class Draft:
    """A draft with nothing checked yet, as a form or a file gives it."""

    name: str = "web"
    prefix: str = "10.0.0.0/24"
    ranges: tuple[Range, ...] = ()
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    domain: str | None = None
    ntp: tuple[str, ...] = ()
    mtu: int | None = None
    vlan: int | None = None
    routes: tuple[Route, ...] = ()
    cooldown_seconds: int = 0


SIX = Draft(prefix="2001:db8::/64")

MISTAKES = [
    (Draft(name=""), "name_empty", "name", "no name"),
    (Draft(name="  "), "name_empty", "name", "no name"),
    (Draft(name=" web"), "name_unclean", "name", "blanks"),
    (Draft(name="we\tb"), "name_unclean", "name", "invisible"),
    (Draft(name="w" * 101), "name_too_long", "name", "101 characters"),
    (Draft(name="5a1f7c1e-3d0b-5c57-9a44-7061746368ff"), "name_is_id", "name", "looks like an id"),
    (Draft(prefix="10.0.0.1/24"), "prefix_invalid", "prefix", "host bits set.*10.0.0.0/24"),
    (Draft(prefix="10.0.0/24"), "prefix_invalid", "prefix", "not a prefix"),
    (Draft(prefix="::ffff:10.0.0.0/120"), "prefix_ipv4_mapped", "prefix", "give 10.0.0.0/24 instead"),
    (Draft(prefix="224.0.0.0/8"), "prefix_not_for_guests", "prefix", "multicast"),
    (Draft(prefix="127.0.0.0/8"), "prefix_not_for_guests", "prefix", "loopback"),
    (Draft(prefix="fe80::/64"), "prefix_not_for_guests", "prefix", "link-local"),
    (Draft(prefix="0.0.0.0/0"), "prefix_not_for_guests", "prefix", "everything"),
    (Draft(gateway="10.0.1.1"), "gateway_outside_prefix", "gateway", "outside 10.0.0.0/24"),
    (replace(SIX, gateway="2001:db9::1"), "gateway_outside_prefix", "gateway", "outside 2001:db8::/64"),
    (Draft(gateway="10.0.0.0"), "gateway_is_special", "gateway", "network address"),
    (Draft(gateway="10.0.0.255"), "gateway_is_special", "gateway", "broadcast address"),
    (replace(SIX, gateway="2001:db8::"), "gateway_is_special", "gateway", "subnet-router anycast"),
    (Draft(gateway="2001:db8::1"), "mixed_families", "gateway", "IPv6, the prefix 10.0.0.0/24 IPv4"),
    (Draft(gateway="nobody"), "gateway_invalid", "gateway", "not an IPv4 or IPv6 address"),
    (replace(SIX, gateway="::ffff:10.0.0.1"), "gateway_invalid", "gateway", "IPv4-mapped"),
    (Draft(prefix="10.0.0.7/32", gateway="10.0.0.7"), "nothing_allocatable", "gateway", "nothing is left"),
    (Draft(ranges=(Range("10.0.0.9", "10.0.1.2"),)), "range_outside_prefix", "ranges", "reaches outside"),
    (
        Draft(ranges=(Range("10.0.0.9", "10.0.0.2"),)),
        "range_upside_down",
        "ranges",
        "write 10.0.0.2-10.0.0.9",
    ),
    (Draft(ranges=(Range("10.0.0.0", "10.0.0.9"),)), "special_address_in_range", "ranges", "network address"),
    (Draft(ranges=(Range("10.0.0.9", "10.0.0.255"),)), "special_address_in_range", "ranges", "broadcast"),
    (
        replace(SIX, ranges=(Range("2001:db8::", "2001:db8::9"),)),
        "special_address_in_range",
        "ranges",
        "anycast",
    ),
    (Draft(ranges=(Range("2001:db8::1", "2001:db8::2"),)), "mixed_families", "ranges", "family, IPv4"),
    (Draft(ranges=(Range("10.0.0.1", "2001:db8::2"),)), "mixed_families", "ranges", "family, IPv4"),
    (Draft(ranges=(Range("10.0.0.1", "ten"),)), "range_invalid", "ranges", "'ten' is not"),
    (
        Draft(ranges=(Range("10.0.0.1", "10.0.0.9"), Range("10.0.0.9", "10.0.0.12"))),
        "ranges_overlap",
        "ranges",
        "10.0.0.1-10.0.0.9 and 10.0.0.9-10.0.0.12 overlap",
    ),
    (Draft(routes=(Route("10.9.0.0/16", "10.0.1.1"),)), "via_outside_prefix", "routes", "10.9.0.0/16"),
    (Draft(routes=(Route("2001:db8::/32", "10.0.0.1"),)), "mixed_families", "routes", "other family"),
    (Draft(routes=(Route("2001:db8::/32", "fe80::1"),)), "mixed_families", "routes", "IPv6, the prefix"),
    (Draft(routes=(Route("10.9.0.1/16", "10.0.0.1"),)), "route_invalid", "routes", "host bits"),
    (Draft(dns=("resolver",)), "dns_invalid", "dns", "name server: 'resolver'"),
    (Draft(dns=("10.0.0.2/24",)), "dns_invalid", "dns", "prefix length"),
    (Draft(dns=("fe80::1%eth0",)), "dns_invalid", "dns", "zone"),
    (Draft(domain="exa mple.net"), "domain_invalid", "domain", "no DNS domain"),
    (Draft(domain="-a.net"), "domain_invalid", "domain", "no DNS domain"),
    (Draft(domain="a" * 64), "domain_invalid", "domain", "no DNS domain"),
    (Draft(ntp=("10.0.0",)), "ntp_invalid", "ntp", "neither an address nor a host name"),
    (Draft(ntp=("ntp example.net",)), "ntp_invalid", "ntp", "neither an address nor a host name"),
    (replace(SIX, mtu=1279), "mtu_too_small_for_ipv6", "mtu", "needs 1280"),
    (Draft(mtu=67), "mtu_out_of_range", "mtu", "between 68 and 65535"),
    (Draft(mtu=65536), "mtu_out_of_range", "mtu", "between 68 and 65535"),
    (Draft(vlan=0), "vlan_out_of_range", "vlan", "1 to 4094"),
    (Draft(vlan=4095), "vlan_out_of_range", "vlan", "1 to 4094"),
    (Draft(cooldown_seconds=-1), "cooldown_negative", "cooldown_seconds", "give 0"),
]


@pytest.mark.parametrize(("draft", "code", "field", "words"), MISTAKES)
def test_each_mistake_is_found_alone(draft: Draft, code: str, field: str, words: str) -> None:
    (mistake,) = check_subnet(draft)
    assert (mistake.code, mistake.field) == (code, field)
    assert re.search(words, mistake.message)


def test_no_two_kinds_of_mistake_share_a_message() -> None:
    said: dict[str, str] = {}
    for draft, code, _, _ in MISTAKES:
        (mistake,) = check_subnet(draft)
        assert said.setdefault(mistake.message, code) == code


def test_all_mistakes_are_told_at_once() -> None:
    draft = Draft(name="", gateway="10.0.9.9", mtu=1, vlan=5000, dns=("x",))
    assert [mistake.field for mistake in check_subnet(draft)] == ["name", "vlan", "dns", "mtu", "gateway"]


@pytest.mark.parametrize(
    "draft",
    [
        Draft(),
        Draft(gateway="10.0.0.254", ranges=(Range("10.0.0.1", "10.0.0.254"),), mtu=1500, vlan=4094),
        Draft(ranges=(Range("10.0.0.1", "10.0.0.9"), Range("10.0.0.10", "10.0.0.12"))),
        Draft(prefix="10.0.0.0/31", gateway="10.0.0.0"),
        Draft(prefix="10.0.0.0/31", ranges=(Range("10.0.0.0", "10.0.0.1"),)),
        Draft(prefix="10.0.0.7/32"),
        Draft(dns=("2001:db8::53", "192.0.2.53"), routes=(Route("0.0.0.0/0", "10.0.0.1"),)),
        replace(SIX, gateway="fe80::1", mtu=1280, routes=(Route("::/0", "fe80::1"),)),
        Draft(prefix="2001:db8::/127", gateway="2001:db8::"),
        Draft(prefix="2001:db8::9/128"),
        Draft(name="Büro 3. Stock, DHCP/fest"),
        Draft(domain="web.example.net.", ntp=("ntp1.example.net", "192.0.2.1", "2001:db8::1")),
    ],
)
def test_sound_subnets_have_no_mistakes(draft: Draft) -> None:
    assert check_subnet(draft) == []


@pytest.mark.parametrize(
    ("prefix", "gateway", "spans"),
    [
        ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.9", [("10.0.0.1", "10.0.0.8"), ("10.0.0.10", "10.0.0.254")]),
        ("10.0.0.0/30", "10.0.0.2", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.0/31", None, [("10.0.0.0", "10.0.0.1")]),
        ("10.0.0.7/32", None, [("10.0.0.7", "10.0.0.7")]),
        ("2001:db8::/64", "fe80::1", [("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]),
        ("2001:db8::/126", None, [("2001:db8::1", "2001:db8::3")]),
        ("2001:db8::/127", "2001:db8::1", [("2001:db8::", "2001:db8::")]),
        ("2001:db8::9/128", None, [("2001:db8::9", "2001:db8::9")]),
    ],
)
def test_g7_default_ranges_leave_out_what_no_guest_may_have(
    prefix: str, gateway: str | None, spans: list[tuple[str, str]]
) -> None:
    ranges = default_ranges(ip_network(prefix), None if gateway is None else ip_address(gateway))
    assert [tuple(map(str, interval.addresses())) for interval in ranges] == spans


def test_why_not_allocatable_is_silent_for_an_address_in_a_range() -> None:
    ranges = [Interval.between(ip_address("10.0.0.4"), ip_address("10.0.0.9"))]
    for last in range(4, 10):
        address = ip_address(f"10.0.0.{last}")
        assert why_not_allocatable(ip_network("10.0.0.0/24"), ranges, None, address) is None
    outside = why_not_allocatable(ip_network("10.0.0.0/24"), ranges, None, ip_address("10.0.0.10"))
    assert outside is not None
    assert "10.0.0.4-10.0.0.9" in outside

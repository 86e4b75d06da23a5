"""Proposed subnets, by example."""

from __future__ import annotations

import ipaddress
from uuid import UUID

import pytest

from services.allocator.domain.suggestions import Proposal, Stray, propose

SCOPE, OTHER = UUID(int=1), UUID(int=2)
WEB, APP = UUID(int=10), UUID(int=11)


def seen(vm: int, address: str, prefix: int | None = 24, gateway: str | None = None, **more: object) -> Stray:
    values: dict[str, object] = {"scope": SCOPE, "wire": WEB} | more
    return Stray(vm=UUID(int=100 + vm), address=address, prefix=prefix, gateway=gateway, **values)  # type: ignore[arg-type]


def only(*strays: Stray, existing: str | None = None) -> Proposal:
    taken = {} if existing is None else {SCOPE: [ipaddress.ip_network(existing)]}
    (proposal,) = propose(strays, taken)
    return proposal


def test_guests_that_agree_make_a_sure_proposal() -> None:
    gateway, dns = "10.0.0.1", ("10.0.0.53", "10.0.0.54")
    found = only(*(seen(n, f"10.0.0.{n}", gateway=gateway, dns=dns) for n in (5, 6, 7)))
    assert (str(found.prefix), found.gateway, found.dns) == ("10.0.0.0/24", gateway, dns)
    assert (found.wires, found.vms, found.confidence) == ((WEB,), 3, 1.0)


def test_ipv6_alike() -> None:
    gateway, dns = "2001:db8::1", ("2001:db8::53", "10.0.0.53")
    found = only(*(seen(n, f"2001:db8::{n}", 64, gateway, dns=dns) for n in (5, 6, 7)))
    assert (str(found.prefix), found.gateway) == ("2001:db8::/64", gateway)
    assert found.dns == ("2001:db8::53",)
    assert found.confidence == 1.0


def test_the_majority_has_its_way_and_one_wrong_mask_does_not_swallow_the_neighbours() -> None:
    strays = [seen(n, f"10.0.0.{n}") for n in (5, 6, 7)] + [seen(8, "10.0.0.8", 8)]
    found = only(*strays)
    assert str(found.prefix) == "10.0.0.0/24"
    assert (found.vms, found.agree_on_prefix) == (4, 3)


@pytest.mark.parametrize(
    ("address", "proposed"),
    [("10.1.2.3", "10.1.2.0/24"), ("10.1.2.255", "10.1.2.0/23"), ("2001:db8:0:7::9", "2001:db8:0:7::/64")],
)
def test_where_no_guest_tells_a_prefix_length_the_usual_one_is_taken(address: str, proposed: str) -> None:
    found = only(seen(1, address, None))
    assert str(found.prefix) == proposed
    assert found.confidence < 0.2


@pytest.mark.parametrize(("address", "prefix"), [("10.1.2.3", 32), ("2001:db8:0:7::9", 128)])
def test_a_host_route_says_nothing_of_the_network(address: str, prefix: int) -> None:
    assert only(seen(1, address, prefix)).agree_on_prefix == 0


def test_a_network_that_would_overlap_a_subnet_is_narrowed() -> None:
    found = only(seen(1, "10.0.0.200"), existing="10.0.0.0/25")
    assert (str(found.prefix), found.narrowed) == ("10.0.0.128/25", True)


def test_an_address_in_a_subnet_is_nothing_to_make_one_for() -> None:
    assert propose([seen(1, "10.0.0.5")], {SCOPE: [ipaddress.ip_network("10.0.0.0/25")]}) == []


def test_one_network_on_two_wires_is_one_subnet_with_the_busier_wire_first() -> None:
    found = only(seen(1, "10.0.0.5"), seen(2, "10.0.0.6", wire=APP), seen(3, "10.0.0.7", wire=APP))
    assert found.wires == (APP, WEB)


def test_equal_ranges_in_two_scopes_are_two_subnets() -> None:
    found = propose([seen(1, "10.0.0.5"), seen(2, "10.0.0.5", scope=OTHER)], {})
    assert [(p.scope, str(p.prefix)) for p in found] == [(SCOPE, "10.0.0.0/24"), (OTHER, "10.0.0.0/24")]


def test_a_gateway_outside_the_network_is_not_proposed() -> None:
    assert only(seen(1, "10.0.0.5", gateway="10.9.9.1")).gateway is None
    assert only(seen(1, "2001:db8::5", 64, gateway="fe80::1")).gateway is None

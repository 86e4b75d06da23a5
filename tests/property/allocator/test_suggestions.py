"""Proposed subnets: what holds whatever is seen."""

from __future__ import annotations

import ipaddress
import random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.subnet_names import name_proposals
from services.allocator.domain.suggestions import Stray, propose
from shared.model.addresses import IPNetwork

SCOPES = (UUID(int=1), UUID(int=2))
WIRES = [UUID(int=n) for n in range(10, 14)]
V4 = st.integers(0, 1023).map(lambda n: str(ipaddress.ip_address("10.0.0.0") + n))
V6 = st.integers(0, 40).map(lambda n: str(ipaddress.ip_address("2001:db8::") + n * 2**60 + n))
ODD = st.sampled_from(
    ["169.254.3.4", "127.0.0.1", "224.0.0.9", "169.1.2.3", "fe80::1", "ff02::1", "::1", "1.2.3.4"]
)


@st.composite
def stray(draw: st.DrawFn) -> Stray:
    """An address as one of a few VMs has it, plausibly or not."""
    address = draw(V4 | V6 | ODD)
    long = ":" in address
    prefix = draw(st.none() | st.integers(0, 128 if long else 32))
    gateway = draw(
        st.none() | st.sampled_from(["2001:db8::1", "fe80::1"] if long else ["10.0.0.1", "10.0.2.1"])
    )
    dns = draw(st.sampled_from([(), ("10.0.0.53",), ("2001:db8::53", "10.0.0.53")]))
    vm = UUID(int=draw(st.integers(100, 106)))
    return Stray(
        draw(st.sampled_from(SCOPES)), draw(st.sampled_from(WIRES)), vm, address, prefix, gateway, dns
    )


@st.composite
def network(draw: st.DrawFn) -> IPNetwork:
    """A subnet that exists."""
    length = draw(st.integers(22, 30))
    at = draw(st.integers(0, 1023))
    four = ipaddress.ip_network((ipaddress.ip_address("10.0.0.0") + at, length), strict=False)
    return draw(st.sampled_from([four, ipaddress.ip_network("2001:db8::/62")]))


STRAYS = st.lists(stray(), max_size=14)
EXISTING = st.dictionaries(st.sampled_from(SCOPES), st.lists(network(), max_size=3))
SPECIAL = [
    ipaddress.ip_network(n) for n in ("169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4", "fe80::/10", "ff00::/8")
]


@given(STRAYS, EXISTING)
def test_a_proposed_subnet_overlaps_no_other_and_no_range_of_special_meaning(
    strays: list[Stray], existing: dict[UUID, list[IPNetwork]]
) -> None:
    proposals = propose(strays, existing)
    for number, proposal in enumerate(proposals):
        others = [p.prefix for p in proposals[:number] if p.scope == proposal.scope]
        for other in (*others, *existing.get(proposal.scope, ()), *SPECIAL):
            same_family = other.version == proposal.prefix.version
            assert not (same_family and proposal.prefix.overlaps(other))


@given(STRAYS, EXISTING, st.randoms(use_true_random=False))
def test_proposals_do_not_depend_on_the_order_or_the_repetition_of_what_is_seen(
    strays: list[Stray], existing: dict[UUID, list[IPNetwork]], chance: random.Random
) -> None:
    again = [*strays, *strays[:3]]
    chance.shuffle(again)
    shuffled = {scope: chance.sample(nets, len(nets)) for scope, nets in existing.items()}
    assert propose(again, shuffled) == propose(strays, existing)


@given(STRAYS, EXISTING)
def test_every_proposal_is_for_somebody_and_its_gateway_can_be_one(
    strays: list[Stray], existing: dict[UUID, list[IPNetwork]]
) -> None:
    for p in propose(strays, existing):
        assert p.strays
        assert p.vms == len({s.vm for s in p.strays})
        assert all(ipaddress.ip_address(s.address) in p.prefix and s.scope == p.scope for s in p.strays)
        assert set(p.wires) == {s.wire for s in p.strays}
        assert 0 <= p.confidence <= 1
        if p.gateway is not None:
            assert ipaddress.ip_address(p.gateway) in p.prefix
            assert ipaddress.ip_address(p.gateway) != p.prefix.network_address


@given(st.lists(stray(), max_size=14))
def test_without_subnets_every_ordinary_address_is_in_a_proposal(strays: list[Stray]) -> None:
    proposals = propose(strays, {})
    for seen in strays:
        ip = ipaddress.ip_address(seen.address)
        if not any(ip in special for special in (*SPECIAL, ipaddress.ip_network("::/8"))):
            assert any(ip in p.prefix for p in proposals if p.scope == seen.scope) or _is_an_edge(ip)


def _is_an_edge(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """An address that narrowing can leave as the first or last of what is left."""
    return int(ip) % 4 in (0, 3)


@given(STRAYS, st.sets(st.sampled_from(["web", "web-v6", "web-10.0.0.0-24"])))
def test_names_are_unique_and_not_taken(strays: list[Stray], taken: set[str]) -> None:
    proposals = propose(strays, {})
    names = name_proposals(proposals, dict.fromkeys(WIRES, "web"), dict.fromkeys(SCOPES, taken))
    pairs = [(p.scope, n) for p, n in zip(proposals, names, strict=True)]
    assert len(set(pairs)) == len(pairs)
    assert not {n for _, n in pairs} & taken

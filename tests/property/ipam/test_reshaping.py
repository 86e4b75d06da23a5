"""Splitting, merging and other prefixes, decided: no address is lost or gained, and what was said is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import collapse_addresses, ip_network
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.events.subnet import AddressRange, Route, SubnetFacts
from shared.ipam.domain import check_subnet, default_ranges
from shared.ipam.domain.reshaping import (
    Senseless,
    Use,
    has_default_ranges,
    joined_wires,
    left_out,
    part,
    parts_at,
    parts_of_length,
    union,
)
from shared.model.addresses import IPNetwork, parse_address, parse_prefix

AT = datetime(2026, 3, 1, tzinfo=UTC)
PREFIXES = ("10.0.0.0/24", "10.0.0.0/28", "192.168.0.0/20", "2001:db8::/64", "2001:db8::/120")
prefixes = st.sampled_from(PREFIXES).map(ip_network)


def facts(prefix: IPNetwork | str, name: str = "web", **more: object) -> SubnetFacts:
    values = {"id": UUID(int=1), "scope": "default", "ranges": (), "default_wire": UUID(int=9)}
    return SubnetFacts.model_validate({**values, "name": name, "prefix": str(prefix), **more})


@st.composite
def cut_up(draw: st.DrawFn) -> tuple[IPNetwork, list[str]]:
    prefix = draw(prefixes)
    offsets = draw(st.lists(st.integers(1, prefix.num_addresses - 1), min_size=1, max_size=4))
    return prefix, [str(prefix[offset]) for offset in offsets]


@given(cut_up())
def test_parts_are_the_fewest_prefixes_that_begin_at_each_cut(given: tuple[IPNetwork, list[str]]) -> None:
    prefix, cuts = given
    try:
        parts = parts_at("web", prefix, cuts)
    except Senseless:
        return  # too many parts
    starts = {int(p.network_address) for p in parts}
    assert {int(parse_address(cut)) for cut in cuts} <= starts
    assert list(collapse_addresses(parts)) == [prefix]  # type: ignore[type-var]
    assert sum(p.num_addresses for p in parts) == prefix.num_addresses
    for one, other in pairwise(parts):
        # Two that could be one are two because a cut is between them.
        if one.prefixlen == other.prefixlen and one.supernet() == other.supernet():
            assert any(int(parse_address(cut)) in range(int(one[0]) + 1, int(other[0]) + 1) for cut in cuts)


@settings(deadline=None)
@given(prefixes, st.integers(1, 8), st.integers(0, 300), st.booleans())
def test_split_and_merged_again_a_subnet_is_what_it_was(
    prefix: IPNetwork, more: int, offset: int, stated: bool
) -> None:
    if prefix.prefixlen + more > prefix.max_prefixlen - 2:
        more = 1
    whole = default_ranges(prefix, None)[0]
    gateway = str(whole.address(whole.first + offset % whole.size))
    ranges: tuple[AddressRange, ...] = ()
    if stated:
        first, last = whole.addresses()
        ranges = (AddressRange(first=str(first), last=str(last)),)
    before = facts(prefix, gateway=gateway, ranges=ranges, mtu=1500, labels={"a": "b"})
    cut = parts_of_length("web", prefix, prefix.prefixlen + more)
    parts = [part(before, p, UUID(int=n + 1), f"web-{n + 1}") for n, p in enumerate(cut)]
    assert sum(one.gateway is not None for one in parts) == 1
    # A part's ends are no router's; such a split is refused.
    assume(not any(m.code == "gateway_is_special" for one in parts for m in check_subnet(one)))
    for one in parts:
        assert check_subnet(one) == []
        assert (one.mtu, one.labels, one.default_wire) == (before.mtu, before.labels, before.default_wire)
        assert has_default_ranges(one) or stated
    again = union(parts[0], parts[1:], None)
    assert again.facts.prefix == before.prefix
    assert again.facts.gateway == gateway
    assert check_subnet(again.facts) == []
    assert has_default_ranges(again.facts) == has_default_ranges(before)
    if stated:
        assert again.facts.ranges == before.ranges


def test_what_is_outside_a_part_is_left_out_and_said() -> None:
    before = facts(
        "10.0.0.0/24",
        gateway="10.0.0.1",
        routes=(Route(to="10.9.0.0/16", via="10.0.0.254"),),
        ranges=(AddressRange(first="10.0.0.10", last="10.0.0.150"),),
    )
    low, high = (part(before, ip_network(p), UUID(int=1), p) for p in ("10.0.0.0/25", "10.0.0.128/25"))
    assert (low.gateway, high.gateway) == ("10.0.0.1", None)
    assert (low.routes, high.routes) == ((), before.routes)
    assert [(r.first, r.last) for r in (*low.ranges, *high.ranges)] == [
        ("10.0.0.10", "10.0.0.126"), ("10.0.0.129", "10.0.0.150"),
    ]  # fmt: skip
    assert left_out(before, high) == ["10.0.0.128/25 (10.0.0.128/25) has no gateway: 10.0.0.1 is outside it"]
    assert len(left_out(before, low)) == 1


def test_a_link_local_gateway_is_every_parts() -> None:
    before = facts("2001:db8::/64", gateway="fe80::1")
    assert part(before, ip_network("2001:db8::/65"), UUID(int=1), "x").gateway == "fe80::1"


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        (lambda: parts_of_length("web", ip_network("10.0.0.0/24"), 24), "split_senseless", "from 25 to 32"),
        (lambda: parts_of_length("web", ip_network("10.0.0.0/24"), 33), "split_senseless", "from 25 to 32"),
        (lambda: parts_of_length("web", ip_network("2001:db8::/48"), 64), "split_senseless", "at most 256"),
        (lambda: parts_at("web", ip_network("10.0.0.0/24"), ["10.0.1.0"]), "split_outside_prefix", "not in"),
        (lambda: parts_at("web", ip_network("10.0.0.0/24"), ["::1"]), "split_outside_prefix", "not in"),
        (lambda: parts_at("web", ip_network("10.0.0.0/24"), ["10.0.0.0"]), "split_senseless", "leaves it"),
        (
            lambda: part(
                facts("10.0.0.0/24", ranges=(AddressRange(first="10.0.0.9", last="10.0.0.20"),)),
                ip_network("10.0.0.128/25"),
                UUID(int=2),
                "web-2",
            ),
            "part_without_ranges",
            "none of the ranges",
        ),
        (
            lambda: union(facts("10.0.0.0/25"), [facts("10.0.1.0/25", "app")], None),
            "merge_not_adjacent",
            "the smallest that contains them is 10.0.0.0/23",
        ),
        (
            lambda: union(facts("10.0.0.128/25"), [facts("10.0.1.0/25", "app")], None),
            "merge_not_adjacent",
            "10.0.0.0/23",
        ),
        (
            lambda: union(facts("10.0.0.0/25"), [facts("10.0.0.128/25", "app")], "10.0.0.0/25"),
            "merge_not_adjacent",
            "does not contain all",
        ),
        (
            lambda: union(facts("10.0.0.0/25"), [facts("2001:db8::/64", "app")], None),
            "merge_mixed_families",
            "both families",
        ),
    ],
)
def test_each_split_and_merge_that_makes_no_sense_has_its_words(work: object, code: str, said: str) -> None:
    with pytest.raises(Senseless, match=said.replace("(", r"\(")) as refusal:
        work()  # type: ignore[operator]
    assert refusal.value.code == code


def test_w22_a_merged_subnet_has_the_wires_of_all_and_never_hands_out_the_others_gateway() -> None:
    one = facts("10.0.0.0/25", "web", gateway="10.0.0.1")
    two = facts("10.0.0.128/25", "app", gateway="10.0.0.129", default_wire=UUID(int=8), mtu=9000)
    merged = union(one, [two], None)
    assert merged.facts.gateway == "10.0.0.1"
    spans = [(r.first, r.last) for r in merged.facts.ranges]
    assert spans == [("10.0.0.2", "10.0.0.128"), ("10.0.0.130", "10.0.0.254")]
    assert any("10.0.0.129" in said for said in merged.given_up)
    assert any(said.startswith("mtu of app") for said in merged.given_up)
    later = AT + timedelta(days=1)
    wires = joined_wires(
        one,
        {UUID(int=5): Use("detected", AT), UUID(int=6): Use("denied", later)},
        [
            (
                two,
                {
                    UUID(int=5): Use("pinned", later),
                    UUID(int=6): Use("denied", AT),
                    UUID(int=9): Use("pinned", AT),
                },
            )
        ],
        later,
        "joe",
    )
    assert wires == {
        UUID(int=5): Use("pinned", later),
        UUID(int=6): Use("denied", AT),
        UUID(int=8): Use("pinned", later, "joe"),
    }
    with pytest.raises(Senseless) as refusal:
        joined_wires(
            one, {UUID(int=5): Use("pinned", AT)}, [(two, {UUID(int=5): Use("denied", AT)})], AT, "joe"
        )
    assert refusal.value.code == "wires_contradict"
    with pytest.raises(Senseless) as refusal:
        joined_wires(one, {}, [(two, {UUID(int=9): Use("denied", AT)})], AT, "joe")
    assert refusal.value.code == "wires_contradict"


def test_a_merge_over_a_gap_allocates_nothing_of_the_gap() -> None:
    merged = union(facts("10.0.0.0/26"), [facts("10.0.0.128/26", "app")], "10.0.0.0/24")
    assert [(r.first, r.last) for r in merged.facts.ranges] == [
        ("10.0.0.1", "10.0.0.62"), ("10.0.0.129", "10.0.0.190"),
    ]  # fmt: skip
    assert parse_prefix(merged.facts.prefix).num_addresses == 256

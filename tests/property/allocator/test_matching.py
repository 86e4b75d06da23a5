"""Matching against a brute-force oracle."""

from __future__ import annotations

import ipaddress
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.matching import Match, Role, SubnetView, match
from services.allocator.domain.reports import UNPLACED, link_local

ADDRESSES = st.integers(0, 255).map(lambda n: f"10.0.0.{n}") | st.just("fe80::1") | st.just("2001:db8::7")


@st.composite
def subnet(draw: st.DrawFn) -> SubnetView:
    """A subnet somewhere in 10.0.0.0/24, or one of IPv6."""
    length = draw(st.integers(24, 30))
    first = draw(st.integers(0, 255)) & (0xFF << (32 - length)) & 0xFF
    text = draw(st.sampled_from([f"10.0.0.{first}/{length}", "2001:db8::/64"]))
    number = draw(st.integers(0, 1000))
    prefix, off_vlan = ipaddress.ip_network(text), draw(st.booleans())
    return SubnetView(UUID(int=number), UUID(int=7), f"s{number}", prefix, None, UUID(int=9), off_vlan)


WITH_ROLES = st.lists(
    st.tuples(subnet(), st.sampled_from(["default", "mapped", "detected", "pinned", "denied"])),
    max_size=6,
    unique_by=lambda pair: pair[0].id,
)


@given(ADDRESSES, WITH_ROLES, st.none() | subnet(), st.booleans(), st.sampled_from([4000, UNPLACED]))
def test_matching_agrees_with_counting_by_hand(
    address: str,
    on_wire: list[tuple[SubnetView, Role]],
    containing: SubnetView | None,
    wire_known: bool,
    device_key: int,
) -> None:
    found = match(address, device_key, wire_known, on_wire, containing)
    hits = [(s, r) for s, r in on_wire if any(str(ip) == address for ip in _ips(s, address))]
    own = [s for s, r in hits if r in ("default", "mapped")] or [
        s for s, r in hits if r in ("pinned", "detected")
    ]
    longest = [s for s in own if all(s.prefix.prefixlen >= t.prefix.prefixlen for t in own)]
    if len(longest) > 1 and not all(s.off_vlan for s in longest):
        longest = [s for s in longest if not s.off_vlan]
    denied = [s for s, r in hits if r == "denied"]
    family = ipaddress.ip_address(address).version
    beside = {s for s, r in on_wire if r in ("default", "mapped", "pinned") and s.prefix.version == family}
    assert (found.subnet is None) != (found.verdict is None)
    if device_key == UNPLACED:
        assert found.verdict == "weaker_source"
    elif link_local(address):
        assert found.verdict == "link_local"
    elif not wire_known:
        assert found.verdict == "wire_unknown"
    elif len(longest) == 1:
        assert found == Match(subnet=longest[0])
    elif longest:
        assert (found.verdict, set(found.subnets)) == ("ambiguous", set(longest))
    elif denied:
        assert (found.verdict, set(found.subnets)) == ("denied", set(denied))
    elif containing is not None:
        assert found == Match(verdict="subnet_on_other_wire", subnets=(containing,))
    elif beside:
        assert (found.verdict, set(found.subnets)) == ("outside_prefix", beside)
    else:
        assert found.verdict == "no_subnet_on_wire"


@given(ADDRESSES, WITH_ROLES, st.randoms())
def test_the_order_of_subnets_is_irrelevant(
    address: str, on_wire: list[tuple[SubnetView, Role]], random: object
) -> None:
    shuffled = list(on_wire)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert match(address, 4000, True, on_wire, None) == match(address, 4000, True, shuffled, None)


def _ips(subnet: SubnetView, address: str) -> list[object]:
    """All addresses of the subnet; of a large one only the one asked for, if it is in it."""
    if subnet.prefix.num_addresses <= 256:
        return list(subnet.prefix)
    ip = ipaddress.ip_address(address)
    first, last = int(subnet.prefix[0]), int(subnet.prefix[-1])
    return [ip] if ip.version == subnet.prefix.version and first <= int(ip) <= last else []

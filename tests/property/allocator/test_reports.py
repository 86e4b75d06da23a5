"""What of a guest's report counts, against Python's own knowledge of addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.reports import report_of
from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestPort

EDGES = [
    "0.0.0.0", "0.0.0.1", "126.255.255.255", "127.0.0.1", "128.0.0.0", "223.255.255.255", "224.0.0.0",  # noqa: S104  not bound to
    "239.255.255.255", "240.0.0.0", "255.255.255.255", "::", "::1", "ff02::1",
]  # fmt: skip
ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6).filter(lambda a: isinstance(a, IPv6Address) and a.ipv4_mapped is None),
    st.sampled_from(EDGES).map(ip_address),
)


@given(ADDRESSES)
def test_an_address_of_no_lasting_meaning_is_left_out(address: IPv4Address | IPv6Address) -> None:
    fact = GuestAddressesChanged(
        vcenter=UUID(int=1), epoch=1, sequence=1, moid="vm-1", tools="running",
        ports=(GuestPort(key=4000, connected=True, addresses=(GuestAddress(address=str(address)),)),),
    )  # fmt: skip
    passing = address.is_loopback or address.is_multicast or address.is_unspecified
    assert [seen.address for seen in report_of(fact).get(4000, ())] == ([] if passing else [str(address)])

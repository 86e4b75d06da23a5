"""MAC addresses, IP addresses and prefixes: one canonical form, and each mistake named."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.addresses import parse_address, parse_prefix, spelled_by_libc
from shared.model.mac import canonical_mac
from shared.model.ordering import BEFORE_ALL, Order

MACS = st.integers(0, 2**48 - 1).map(lambda number: f"{number:012x}")


def spell(bare: str, style: str, upper: bool) -> str:
    pairs = [bare[i : i + 2] for i in range(0, 12, 2)]
    quads = [bare[i : i + 4] for i in range(0, 12, 4)]
    text = {"colon": ":".join(pairs), "dash": "-".join(pairs), "dot": ".".join(quads), "bare": bare}[style]
    return text.upper() if upper else text


@given(MACS, st.sampled_from(["colon", "dash", "dot", "bare"]), st.booleans())
def test_every_spelling_of_a_mac_is_the_same_mac(bare: str, style: str, upper: bool) -> None:
    assert canonical_mac(spell(bare, style, upper)) == spell(bare, "colon", upper=False)


@given(st.text(max_size=20))
def test_text_is_a_mac_or_named_in_the_error(text: str) -> None:
    try:
        mac = canonical_mac(text)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017  either is right
    else:
        assert canonical_mac(mac) == mac


@given(st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None))
def test_every_address_is_read_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    for text in (str(address), address.exploded, f" {address} "):
        assert parse_address(text) == address


TEXTS = st.one_of(
    st.ip_addresses().flatmap(
        lambda a: st.sampled_from([str(a), a.exploded, str(a).upper(), f"{a}%1", f" {a}"])
    ),
    st.text("0123456789abcdefABCDEF:.%/ ", max_size=20),
    st.lists(st.integers(0, 300).map(str), min_size=3, max_size=5).map(".".join),
    st.lists(st.sampled_from(["0", "00", "a", "ffff", "", "1.2.3.4", "10000"]), max_size=9).map(":".join),
)


@given(TEXTS)
def test_the_quick_way_spells_an_address_as_the_thorough_one(text: str) -> None:
    quick = spelled_by_libc(text)
    if quick is not None:
        assert quick == str(parse_address(text))


@given(st.ip_addresses().filter(lambda a: a.version == 4 or int(a) >> 64))
def test_the_quick_way_knows_nearly_all(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert spelled_by_libc(str(address)) == str(address)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("fe80::1%eth0", "without the part from '%'"),
        ("10.0.0.1/24", "address alone"),
        ("::ffff:10.0.0.1", "give 10.0.0.1 instead"),
        ("10.0.0.256", "not an IPv4 or IPv6 address"),
        ("010.0.0.1", "not an IPv4 or IPv6 address"),
        ("", "not an IPv4 or IPv6 address"),
    ],
)
def test_each_mistake_in_an_address_has_its_message(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice.replace(".", r"\.")):
        parse_address(text)


@given(st.ip_addresses(v=4), st.integers(0, 31))
def test_host_bits_are_refused_with_the_right_network(address: ipaddress.IPv4Address, length: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    if network.network_address == address:
        assert parse_prefix(f"{address}/{length}") == network
    else:
        with pytest.raises(ValueError, match=f"contains it is {network}"):
            parse_prefix(f"{address}/{length}")


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_epoch_outranks_sequence(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (Order(*one) > Order(*other)) == (one[0] > other[0] or (one[0] == other[0] and one[1] > other[1]))
    assert Order(*one) > BEFORE_ALL

"""What Tools may report, in any order and any amount."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.guests import guest_addresses_changed
from services.collector.domain.raw import Card, GuestIp, GuestNic
from services.collector.domain.spelling import address_or_none, host_address
from services.collector.domain.state import Vm
from shared.events.guest import GuestAddressesChanged
from tests.unit.collector.making import STAMP

KEYS = (4000, 4001, 13)
MACS = {key: f"00:50:56:80:00:{number:02x}" for number, key in enumerate(KEYS)}
CARDS = tuple(Card(key, str(key), "VirtualVmxnet3", MACS[key], True, "network-1") for key in KEYS)

texts = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.sampled_from(["fe80::1", "10.0.0.1", ""])
)
ips = st.builds(
    GuestIp,
    texts,
    st.none() | st.integers(-1, 200),
    st.sampled_from([None, "manual", "dhcp", "linklayer", "random"]),
    st.sampled_from([None, "preferred", "deprecated", "duplicate"]),
)
addresses = st.lists(ips, max_size=5).map(tuple)


@st.composite
def own_nics(draw: st.DrawFn) -> GuestNic:
    key = draw(st.sampled_from(KEYS))
    mac = draw(st.sampled_from([MACS[key], MACS[key].upper(), None]))
    return GuestNic(key, mac, draw(st.booleans()), draw(addresses))


foreign_nics = st.builds(
    GuestNic, st.just(-1), st.sampled_from([None, "02:42:00:00:00:01", MACS[4000]]), st.booleans(), addresses
)


def fact_of(nics: list[GuestNic], address: str | None = None) -> GuestAddressesChanged:
    vm = Vm("vm-1", cards=CARDS, tools="guestToolsRunning", guest_nics=tuple(nics), guest_address=address)
    return guest_addresses_changed(STAMP, vm).fact


@given(st.lists(own_nics() | foreign_nics, max_size=6), st.data())
def test_order_never_matters(nics: list[GuestNic], data: st.DataObject) -> None:
    shuffled = [
        nic._replace(addresses=tuple(data.draw(st.permutations(nic.addresses))))
        for nic in data.draw(st.permutations(nics))
    ]
    assert fact_of(shuffled) == fact_of(nics)


@given(st.lists(own_nics(), max_size=4), st.lists(foreign_nics, max_size=20))
def test_foreign_interfaces_change_nothing(nics: list[GuestNic], foreign: list[GuestNic]) -> None:
    assert fact_of([*foreign, *nics]) == fact_of(nics)


@given(st.lists(own_nics(), max_size=4), st.lists(st.ip_addresses(v=6), max_size=9))
def test_a_day_of_temporary_addresses_changes_nothing(nics: list[GuestNic], temporary: list[object]) -> None:
    passing = tuple(GuestIp(str(address), 64, "random", "preferred") for address in temporary)
    kept = {ip.address for nic in nics for ip in nic.addresses}
    passing = tuple(ip for ip in passing if ip.address not in kept)
    later = [nic._replace(addresses=(*nic.addresses, *passing)) for nic in nics]
    assert fact_of(later) == fact_of(nics)


@given(st.lists(own_nics() | foreign_nics, max_size=6), st.none() | texts)
def test_only_lasting_addresses_of_own_devices_come_out(nics: list[GuestNic], address: str | None) -> None:
    fact = fact_of(nics, address)
    reported = {ip.address for nic in nics if nic.device_key != -1 for ip in nic.addresses}
    told = [ip for port in fact.ports for ip in port.addresses]
    assert {ip.address for ip in told} <= reported
    assert all(not ip.address.startswith(("fe80:", "169.254.")) and ip.origin != "random" for ip in told)
    assert fact.unplaced is None or not told
    assert [port.key for port in fact.ports] == sorted({port.key for port in fact.ports})


@given(
    st.one_of(
        st.ip_addresses().flatmap(lambda a: st.sampled_from([str(a), a.exploded, f"{a}%eth0"])),
        st.sampled_from(
            ["169.254.7.7", "fe80::1", "febf::1", "fec0::1", "ff02::1", "127.1.2.3", "239.1.1.1"]
        ),
        st.sampled_from(["0.0.0.0", "::", "::1", "::ffff:10.0.0.1", "240.0.0.1", "10.0.0.1/24", "", "x"]),  # noqa: S104
        st.text("0123456789abcdef:.", max_size=15),
    )
)
def test_the_quick_reading_of_an_address_is_the_thorough_one(text: str) -> None:
    thorough, quick = address_or_none(text), host_address(text)
    if thorough is None:
        assert quick is None
    else:
        assert quick == (
            thorough.version,
            int(thorough),
            str(thorough),
            thorough.max_prefixlen,
            thorough.is_link_local,
        )

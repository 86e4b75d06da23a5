"""Whatever the answer, every rendering of it parses and says the same: each address once, on its own NIC."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from services.placement.domain.rendering import guest_configuration, guest_plan, rendered
from shared.events.placement import Guest, PlacedAddress, VmCreatePlaced
from shared.events.subnet import Route
from shared.model.time_zones import WINDOWS_INDEX
from tests.unit.placement.rendering.answers import address, placed
from tests.unit.placement.rendering.readers import (
    Seen,
    read_cloud_init,
    read_customization,
    read_ignition,
    read_keyfile,
)

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
domains = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,8}){0,2}", fullmatch=True)
servers = st.sampled_from(["192.0.2.53", "192.0.2.54", "2001:db8:ffff::53"])


@st.composite
def address4(draw: st.DrawFn, nic: int) -> PlacedAddress:
    net = IPv4Network(f"10.{nic}.0.0/{draw(st.integers(16, 30))}")
    host = draw(st.integers(2, net.num_addresses - 2))
    routes = [Route(to=f"172.16.{nic}.0/24", via=str(net[1]))] if draw(st.booleans()) else []
    return address(str(net[host]), net.prefixlen, **draw(values(str(net[1]))), routes=tuple(routes))


@st.composite
def address6(draw: st.DrawFn, nic: int) -> PlacedAddress:
    net = IPv6Network(f"2001:db8:{nic:x}::/{draw(st.sampled_from([48, 64, 120]))}")
    host = draw(st.integers(2, net.num_addresses - 1))
    routes = [Route(to=f"2001:db8:f0{nic:02x}::/64", via=str(net[1]))] if draw(st.booleans()) else []
    return address(str(net[host]), net.prefixlen, **draw(values(str(net[1]))), routes=tuple(routes))


def values(gateway: str) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "gateway": st.sampled_from([None, gateway]),
            "dns": st.lists(servers, max_size=3, unique=True).map(tuple),
            "domain": st.none() | domains,
            "ntp": st.lists(domains, max_size=2).map(tuple),
            "mtu": st.sampled_from([None, 1280, 1500, 9000]),
        }
    )


@st.composite
def answers(draw: st.DrawFn) -> VmCreatePlaced:
    nics = []
    for nic in range(draw(st.integers(1, 4))):
        shape = draw(st.sampled_from(["4", "6", "46", "64", ""]))
        nics.append(tuple(draw(address4(nic) if family == "4" else address6(nic)) for family in shape))
    os = draw(st.sampled_from(["linux", "windows"]))
    zones = sorted(WINDOWS_INDEX) if os == "windows" else ["Antarctica/Troll", "Europe/Berlin"]
    guest = Guest(
        os=os,
        dns=tuple(draw(st.lists(servers, max_size=2, unique=True))),
        search_domains=tuple(draw(st.lists(domains, max_size=3))),
        time_zone=draw(st.none() | st.sampled_from(zones)),
    )
    name = draw(st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=80))
    return placed(*nics, guest=guest, name=name, macs=draw(st.booleans()))


def expected(answer: VmCreatePlaced) -> list[Seen]:
    """What every format must say, from the answer alone."""
    seen, routed = [], set()
    for nic in answer.nics:
        one = Seen(nic.mac, dhcp=not nic.addresses)
        for item in nic.addresses:
            one.addresses.append(f"{item.address}/{item.prefix}")
            one.routes += [(route.to, route.via) for route in item.routes]
            family = ":" in item.address
            if item.gateway and family not in routed:
                routed.add(family)
                one.gateways.append(item.gateway)
        seen.append(one)
    return seen


def facts(seen: list[Seen], *, routes: bool) -> list[tuple[object, ...]]:
    return [
        (s.mac, sorted(s.addresses), sorted(s.gateways), s.dhcp, sorted(s.routes) if routes else None)
        for s in seen
    ]


@given(answers())
def test_every_rendering_parses_and_holds_every_address_once(answer: VmCreatePlaced) -> None:
    configuration = guest_configuration(answer)
    wanted = expected(answer)
    assert facts(read_customization(configuration.customization), routes=False) == facts(wanted, routes=False)
    known = answer.guest.os == "linux" and answer.nics[0].mac is not None
    assert (configuration.cloud_init is not None) == known
    assert (len(configuration.keyfiles) == len(answer.nics)) == known
    assert (configuration.ignition is not None) == known
    if configuration.cloud_init is None or configuration.ignition is None:
        return
    assert facts(read_cloud_init(configuration.cloud_init), routes=True) == facts(wanted, routes=True)
    assert facts([read_keyfile(file) for file in configuration.keyfiles], routes=True) == facts(
        wanted, routes=True
    )
    written = read_ignition(configuration.ignition)
    assert written.pop("/etc/hostname").content == f"{configuration.hostname}\n"
    assert written == {file.path: file for file in configuration.keyfiles}


@given(answers())
def test_host_names_are_taken_by_any_guest(answer: VmCreatePlaced) -> None:
    name = guest_plan(answer, {}).hostname
    assert 0 < len(name) <= (15 if answer.guest.os == "windows" else 63)
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in name)
    assert not name.startswith("-")
    assert not name.endswith("-")


@given(answers())
def test_the_same_answer_renders_the_same(answer: VmCreatePlaced) -> None:
    """And rendering what is rendered changes nothing, nor does a journey over the bus."""
    once = rendered(answer)
    assert rendered(answer) == rendered(once) == once
    assert VmCreatePlaced.model_validate_json(once.model_dump_json(exclude_none=True)) == once

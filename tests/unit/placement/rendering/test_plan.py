"""What a guest is told, before any format."""

from __future__ import annotations

import pytest

from services.placement.domain.rendering import GuestPlan, guest_plan
from shared.events.placement import Guest, VmCreatePlaced
from tests.unit.placement.rendering.answers import BACKUP, STORAGE, WEB, address, placed


def plan(answer: VmCreatePlaced) -> GuestPlan:
    return guest_plan(answer, {})


def test_an_adapter_has_what_its_subnets_say() -> None:
    told = plan(placed(WEB, guest=Guest(search_domains=("b.test",))))
    [adapter] = told.adapters
    assert [(item.address, item.prefix, item.netmask, item.gateway) for item in adapter.addresses] == [
        ("10.20.30.18", 24, "255.255.255.0", "10.20.30.1"),
        ("2001:db8:20::18", 64, None, "2001:db8:20::1"),
    ]
    assert adapter.mtu == 9000
    assert [route.to for route in adapter.routes] == ["10.99.0.0/16", "2001:db8:99::/48"]
    assert (told.hostname, told.domain) == ("web-1", "web.example.org")
    assert told.dns == ("10.20.0.53", "10.20.0.54", "2001:db8::53")
    assert told.ntp == ("ntp1.example.org",)
    assert told.search_domains == ("b.test", "web.example.org")


def test_one_default_route_per_family() -> None:
    told = plan(placed(WEB, STORAGE, BACKUP))
    gateways = [item.gateway for adapter in told.adapters for item in adapter.addresses]
    assert gateways == ["10.20.30.1", "2001:db8:20::1", None, None]


def test_the_request_wins_over_the_subnets() -> None:
    guest = Guest(dns=("192.0.2.53",), domain="own.test", ntp=("192.0.2.123",), search_domains=("a.test",))
    told = plan(placed(WEB, STORAGE, guest=guest))
    assert told.dns == told.adapters[0].dns == told.adapters[1].dns == ("192.0.2.53",)
    assert (told.domain, told.ntp) == ("own.test", ("192.0.2.123",))
    assert told.search_domains == ("a.test", "own.test")


@pytest.mark.parametrize(
    ("name", "guest", "hostname", "domain"),
    [
        ("web-1", Guest(hostname="chosen"), "chosen", "localdomain"),
        ("web-1", Guest(hostname="chosen.own.test"), "chosen", "own.test"),
        ("web-1", Guest(hostname="chosen.own.test", domain="other.test"), "chosen", "other.test"),
        ("web-1", Guest(search_domains=("a.test",)), "web-1", "a.test"),
        ("My VM (copy)", Guest(), "My-VM--copy", "localdomain"),
        ("web.example.test", Guest(), "web", "localdomain"),
        ("x" * 80, Guest(), "x" * 63, "localdomain"),
        ("日本", Guest(), "vm-71081531", "localdomain"),
        ("a-name-too-long-for-windows", Guest(os="windows"), "a-name-too-7108", "localdomain"),
        ("4711", Guest(os="windows"), "vm-71081531", "localdomain"),
    ],
)
def test_host_name_and_domain(name: str, guest: Guest, hostname: str, domain: str) -> None:
    told = plan(placed((address("10.0.1.5"),), guest=guest, name=name))
    assert (told.hostname, told.domain) == (hostname, domain)
    changed = hostname != (guest.hostname or name).partition(".")[0]
    assert any(hostname in note for note in told.notes) == changed
    assert any("localdomain" in note for note in told.notes) == (domain == "localdomain")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"hostname": "no_underscore"}, "hostname"),
        ({"hostname": "-x"}, "hostname"),
        ({"os": "windows", "hostname": "longer-than-15-characters"}, "15 characters"),
        ({"os": "windows", "hostname": "4711.example.org"}, "digits alone"),
        ({"os": "windows", "time_zone": "Antarctica/Troll"}, "Antarctica/Troll"),
        ({"time_zone": "Europe/Berlin; reboot"}, "time_zone"),
        ({"domain": "a b"}, "domain"),
        ({"search_domains": ("ok.test", "line\nbreak")}, r"search_domains\.1"),
    ],
)
def test_what_no_guest_takes_is_no_request(values: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Guest.model_validate(values)


def test_what_a_format_cannot_say_is_noted() -> None:
    notes = plan(placed(WEB, guest=Guest(dns=("192.0.2.53",)))).notes
    assert notes == (
        "NIC 0: a CustomizationSpec can't carry static routes and MTU 9000",
        "a CustomizationSpec can't carry time servers: ntp1.example.org",
    )
    [far] = plan(placed(BACKUP, guest=Guest(dns=("192.0.2.53",), domain="a.test"))).notes
    assert far == "name server 192.0.2.53 is out of reach: no NIC has an IPv4 address"


def test_macs_that_vcenter_chose_meanwhile_fill_in() -> None:
    answer = placed(WEB, STORAGE, macs=False)
    assert not plan(answer).adapters_are_known
    assert "the MAC of NIC 0, 1" in plan(answer).notes[-1]
    told = guest_plan(answer, {0: "00:50:56:aa:00:00", 1: "00:50:56:aa:00:01"})
    assert told.adapters_are_known
    assert [adapter.mac for adapter in told.adapters] == ["00:50:56:aa:00:00", "00:50:56:aa:00:01"]

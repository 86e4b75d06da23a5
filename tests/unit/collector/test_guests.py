"""What of a guest's report becomes a fact."""

from __future__ import annotations

from services.collector.domain.guests import guest_addresses_changed
from services.collector.domain.raw import GuestIp, GuestStack
from services.collector.domain.state import Vm
from shared.events.guest import GuestAddressesChanged
from tests.unit.collector.making import MAC, STAMP, card, nic, vm


def fact_of(subject: Vm) -> GuestAddressesChanged:
    return guest_addresses_changed(STAMP, subject).fact


def addresses(subject: Vm) -> list[tuple[int, list[str]]]:
    return [(port.key, [ip.address for ip in port.addresses]) for port in fact_of(subject).ports]


def test_interfaces_that_are_no_device_of_the_vm_are_left_out() -> None:
    docker = nic("172.18.0.1", key=-1, mac="02:42:00:00:00:01")
    sub_interface = nic("10.9.0.4", key=-1, mac=MAC)
    reduced = guest_addresses_changed(STAMP, vm(nic("10.0.0.4"), docker, sub_interface))
    assert addresses(vm(nic("10.0.0.4"), docker, sub_interface)) == [(4000, ["10.0.0.4"])]
    assert reduced.ignored == {"foreign_device": 2}


def test_a_docker_range_on_a_real_device_stays() -> None:
    assert addresses(vm(nic("172.18.4.4"))) == [(4000, ["172.18.4.4"])]


def test_a_device_key_outside_the_usual_range_is_as_good() -> None:
    assert addresses(vm(nic("10.0.0.4", key=13), cards=(card(13),))) == [(13, ["10.0.0.4"])]


def test_an_unknown_device_key_falls_back_to_the_mac_in_any_spelling() -> None:
    assert addresses(vm(nic("10.0.0.4", key=4711, mac=MAC.upper().replace(":", "-")))) == [
        (4000, ["10.0.0.4"])
    ]


def test_the_mac_decides_only_when_one_device_has_it() -> None:
    twins = (card(4000), card(4001))
    assert addresses(vm(nic("10.0.0.4", key=4711), cards=twins)) == []


def test_temporary_and_link_local_addresses_are_no_part_of_the_fact() -> None:
    subject = vm(
        nic(
            GuestIp("2001:db8::a", 64, "linklayer", "preferred"),
            GuestIp("2001:db8::dead", 64, "random", "preferred"),
            GuestIp("fe80::1%eth0", 64, "linklayer", "preferred"),
            "169.254.3.4",
        )
    )
    reduced = guest_addresses_changed(STAMP, subject)
    assert addresses(subject) == [(4000, ["2001:db8::a"])]
    assert reduced.ignored == {"temporary_address": 1, "link_local": 2}


def test_what_is_no_address_of_a_host_is_left_out() -> None:
    subject = vm(nic("0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "nonsense", "::ffff:10.0.0.1", "10.0.0.4"))  # noqa: S104  addresses to refuse
    assert addresses(subject) == [(4000, ["10.0.0.4"])]


def test_of_two_statements_about_an_address_the_fuller_one_counts() -> None:
    bare, full = GuestIp("10.0.0.4"), GuestIp("10.0.0.4", 24, "dhcp", "preferred")
    assert fact_of(vm(nic(bare, full))) == fact_of(vm(nic(full, bare)))
    assert fact_of(vm(nic(bare, full))).ports[0].addresses[0].prefix == 24


def test_the_weaker_source_speaks_only_while_no_device_names_an_address() -> None:
    assert fact_of(vm(address="10.0.0.9")).unplaced == "10.0.0.9"
    assert fact_of(vm(nic(), address="10.0.0.9")).unplaced == "10.0.0.9"
    assert fact_of(vm(nic("10.0.0.4"), address="10.0.0.9")).unplaced is None


def test_the_weaker_source_never_speaks_for_a_container_bridge() -> None:
    docker = nic("172.17.0.1", key=-1, mac="02:42:00:00:00:01")
    assert fact_of(vm(nic(), docker, address="172.17.0.1")).unplaced is None


def test_default_routes_are_joined_to_devices_by_their_place_in_the_list() -> None:
    subject = vm(nic("172.17.0.1", key=-1, mac="02:42:00:00:00:01"), nic("10.0.0.4"))
    subject.guest_stacks = (
        GuestStack(("10.0.0.53", "127.0.0.53"), (("10.0.0.1", 1), ("172.17.0.254", 0), ("10.0.0.2", None))),
    )
    fact = fact_of(subject)
    assert [(route.gateway, route.key) for route in fact.routes] == [("10.0.0.1", 4000), ("10.0.0.2", None)]
    assert fact.dns == ("10.0.0.53",)


def test_silent_tools_give_a_fact_without_ports() -> None:
    subject = Vm(moid="vm-1", name="web", cards=(card(),), tools="guestToolsNotRunning")
    fact = fact_of(subject)
    assert (fact.tools, fact.ports, fact.unplaced) == ("not_running", (), None)

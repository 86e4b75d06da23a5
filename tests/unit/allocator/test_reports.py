"""What of a guest's report counts."""

from __future__ import annotations

from uuid import UUID

from services.allocator.domain.reports import UNPLACED, Seen, report_of, speak
from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestPort, GuestRoute


def fact(*addresses: GuestAddress, **more: object) -> GuestAddressesChanged:
    """A report about device 4000."""
    ports = (GuestPort(key=4000, connected=True, addresses=addresses),) if addresses else ()
    values = {"vcenter": UUID(int=1), "epoch": 1, "sequence": 1, "moid": "vm-1", "tools": "running"}
    return GuestAddressesChanged(**(values | {"ports": ports} | more))


def test_temporary_unsettled_and_local_addresses_are_left_out() -> None:
    report = report_of(
        fact(
            GuestAddress(address="2001:db8::9", origin="random"),
            GuestAddress(address="10.0.0.9", state="duplicate"),
            GuestAddress(address="10.0.0.8", state="tentative"),
            GuestAddress(address="127.0.0.1"),
            GuestAddress(address="fe80::1"),
            GuestAddress(address="10.0.0.5", prefix=24),
        )
    )
    assert report == {4000: (Seen("10.0.0.5", 24, None),), UNPLACED: ()}


def test_a_device_with_nothing_settled_is_not_spoken_of() -> None:
    assert report_of(fact(GuestAddress(address="10.0.0.8", state="tentative"))) == {}
    assert report_of(fact()) == {}


def test_the_gateway_of_the_device_and_family_goes_along() -> None:
    routes = (
        GuestRoute(gateway="10.0.0.254"),
        GuestRoute(gateway="10.0.0.1", key=4000),
        GuestRoute(gateway="fe80::1", key=4000),
    )
    report = report_of(fact(GuestAddress(address="10.0.0.5", prefix=24), routes=routes))
    assert report[4000] == (Seen("10.0.0.5", 24, "10.0.0.1"),)


def test_an_address_without_a_device_counts_only_while_no_device_has_one() -> None:
    assert report_of(fact(unplaced="10.0.0.5")) == {UNPLACED: (Seen("10.0.0.5"),)}
    spoken = report_of(fact(GuestAddress(address="10.0.0.6"), unplaced="10.0.0.5"))
    assert spoken[UNPLACED] == ()


def test_g4_a_guest_that_lost_its_lease_keeps_what_it_had() -> None:
    had = {4000: (Seen("10.0.0.5"),)}
    assert speak(had, {4000: (Seen("169.254.1.1"),)}) == had
    assert speak({}, {4000: (Seen("169.254.1.1"),)}) == {4000: (Seen("169.254.1.1"),)}
    assert speak(had, {4001: (Seen("10.0.0.6"),)})[4000] == (Seen("10.0.0.5"),)

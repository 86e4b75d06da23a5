"""What a guest's report says about addresses, reduced to what the platform can vouch for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestRoute
from shared.model.addresses import as_value

UNPLACED = -1
"""The device key that stands for "on some device": Tools told an address, but not where."""

UNSETTLED = frozenset({"tentative", "duplicate", "invalid", "inaccessible"})
"""States in which an address is not the guest's (yet): duplicate address detection runs, or failed."""


class Seen(NamedTuple):
    """An address as a report names it. `gateway` is the default gateway of its family on that device."""

    address: str
    prefix: int | None = None
    gateway: str | None = None


_ADDRESS = attrgetter("address")

Report = Mapping[int, tuple[Seen, ...]]
"""Addresses by device key. A device that is not in it was not spoken of; see `speak`."""


def report_of(fact: GuestAddressesChanged) -> dict[int, tuple[Seen, ...]]:
    """The devices that `fact` speaks of, and their addresses in canonical order.

    Left out are addresses of no lasting meaning (temporary IPv6, loopback, multicast), unsettled ones, and
    link-local ones beside others. A device with nothing left is not spoken of: silence takes nothing back
    (G4).
    """
    report = {}
    for port in fact.ports:
        kept = [a for a in port.addresses if _lasting(a)]
        routable = [a for a in kept if not link_local(a.address)]
        if kept:
            found = {_seen(a, port.key, fact.routes) for a in routable or kept}
            report[port.key] = tuple(sorted(found, key=_ADDRESS) if len(found) > 1 else found)
    if report:
        report[UNPLACED] = ()
    elif fact.unplaced is not None and _lasting(GuestAddress(address=fact.unplaced)):
        report[UNPLACED] = (Seen(fact.unplaced),)
    return report


def speak(before: Report, report: Report) -> Report:
    """What holds after `report` when `before` held until then: `before` itself if that is the same.

    A guest that has lost its routable addresses and shows a link-local one (DHCP failed, cable pulled) has
    not been given other ones: what it had stays.
    """
    told = {key: seen for key, seen in report.items() if before.get(key) != seen}
    for key, seen in list(told.items()):
        had_routable = any(not link_local(s.address) for s in before.get(key, ()))
        if seen and had_routable and all(link_local(s.address) for s in seen):
            del told[key]
    return {**before, **told} if told else before


def link_local(address: str) -> bool:
    """169.254.0.0/16 or fe80::/10: true on every wire at once, so it identifies nobody."""
    return address.startswith("169.254.") or (":" in address and as_value(address).is_link_local)


def _lasting(address: GuestAddress) -> bool:
    if address.origin == "random" or address.state in UNSETTLED:
        return False
    text = address.address
    if ":" not in text:
        # As text: guests have hardly any others, and making a value of each takes longer than all else here.
        first = int(text.partition(".")[0])
        return not (first == 127 or 224 <= first < 240 or text == "0.0.0.0")  # noqa: S104  not bound to
    ip = as_value(text)
    return not (ip.is_loopback or ip.is_multicast or ip.is_unspecified)


def _seen(address: GuestAddress, key: int, routes: Sequence[GuestRoute]) -> Seen:
    family = ":" in address.address
    on_device = [r.gateway for r in routes if r.key == key and (":" in r.gateway) == family]
    anywhere = [r.gateway for r in routes if r.key is None and (":" in r.gateway) == family]
    gateway = min(on_device or anywhere, default=None)
    return Seen(address.address, address.prefix, gateway)

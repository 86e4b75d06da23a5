"""Why a change of a guest's interfaces said nothing new, for the counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from services.collector.domain.guests import TEMPORARY, owner_of
from services.collector.domain.raw import Card, GuestIp, GuestNic
from services.collector.domain.spelling import host_address

Noise = Literal["reordered", "foreign_device", "temporary_address", "link_local", "spelling"]


def noise_of(before: tuple[GuestNic, ...], after: tuple[GuestNic, ...], cards: Mapping[int, Card]) -> Noise:
    """The first of these that explains the whole difference of two reports that make the same fact.

    Only the order changed; only interfaces that are no device of the VM did (container bridges); only
    temporary, then temporary and link-local addresses did; else it is spelling, or what Tools repeat.
    """
    old, new = (Counter(_items(nics, cards)) for nics in (before, after))
    different = [*(old - new), *(new - old)]
    if not different:
        return "reordered"
    own = [ip for owner, _, ip in different if owner is not None]
    if not own:
        return "foreign_device"
    if all(ip is not None and ip.origin == TEMPORARY for ip in own):
        return "temporary_address"
    if all(ip is not None and (ip.origin == TEMPORARY or _link_local(ip)) for ip in own):
        return "link_local"
    return "spelling"


def _items(
    nics: tuple[GuestNic, ...], cards: Mapping[int, Card]
) -> list[tuple[int | None, tuple[int, str | None, bool], GuestIp | None]]:
    """Every statement by itself: an interface, and each of its addresses."""
    found: list[tuple[int | None, tuple[int, str | None, bool], GuestIp | None]] = []
    for nic in nics:
        owner, itself = owner_of(nic, cards), (nic.device_key, nic.mac, nic.connected)
        found.append((owner, itself, None))
        found += [(owner, itself, ip) for ip in nic.addresses]
    return found


def _link_local(ip: GuestIp) -> bool:
    address = host_address(ip.address)
    return address is not None and address.link_local

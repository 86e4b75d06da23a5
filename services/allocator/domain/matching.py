"""From an address seen on a port to the subnet it belongs to, or the reason why to none.

The port's own wire decides, never the host and never a name: subnets created on the wire first, then those
whose additional wire it is; in each of the two the longest prefix wins. Membership is by prefix, not by what
may be allocated: an address outside the ranges was given by somebody else, but lies in the subnet, too.

A wire may carry several VLANs (a trunk), and a guest on it have addresses in the subnet of each. Where it is
known which ones a wire carries, a subnet of another VLAN yields to one that fits equally well otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.allocator.domain.reports import UNPLACED, link_local
from shared.events.address import Verdict
from shared.model.addresses import IPAddress, IPNetwork, as_value

Role = Literal["default", "mapped", "detected", "pinned", "denied"]
"""`mapped`: on the same switch and VLAN as the default wire, in a vCenter where those make a network."""


@dataclass(frozen=True, slots=True)
class SubnetView:
    """What matching needs of a subnet.

    `off_vlan`, of a subnet on a wire: its VLAN is known to be none of those that the wire carries.
    """

    id: UUID
    scope: UUID
    name: str
    prefix: IPNetwork
    gateway: IPAddress | None
    default_wire: UUID
    off_vlan: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Either the subnet of an address, or the verdict on it and the subnets that the verdict speaks of."""

    subnet: SubnetView | None = None
    verdict: Verdict | None = None
    subnets: tuple[SubnetView, ...] = ()


def match(
    address: str,
    device_key: int,
    wire_known: bool,
    on_wire: Sequence[tuple[SubnetView, Role]],
    containing: SubnetView | None,
) -> Match:
    """Decide on `address`, seen on a port whose wire has the subnets `on_wire`.

    `containing` is the subnet of the vCenter's own scope that contains the address, on whatever wire.
    """
    if device_key == UNPLACED:
        return Match(verdict="weaker_source", subnets=() if containing is None else (containing,))
    if link_local(address):
        return Match(verdict="link_local")
    if not wire_known:
        return Match(verdict="wire_unknown", subnets=() if containing is None else (containing,))
    ip = as_value(address)
    inside = [(subnet, role) for subnet, role in on_wire if ip in subnet.prefix]
    for roles in _TIERS:
        found = [subnet for subnet, role in inside if role in roles]
        if found:
            return _longest(found)
    denied = [subnet for subnet, role in inside if role == "denied"]
    if denied:
        return Match(verdict="denied", subnets=_in_order(denied))
    if containing is not None:
        return Match(verdict="subnet_on_other_wire", subnets=(containing,))
    beside = [s for s, role in on_wire if role not in _BY_EVIDENCE and s.prefix.version == ip.version]
    if beside:
        return Match(verdict="outside_prefix", subnets=_in_order(beside))
    return Match(verdict="no_subnet_on_wire")


_TIERS: tuple[tuple[Role, ...], ...] = (("default", "mapped"), ("detected", "pinned"))
"""Roles from which a subnet is taken, the first first."""
_BY_EVIDENCE = ("detected", "denied")
"""Roles by which a subnet is not put on a wire by anybody."""


def _longest(found: list[SubnetView]) -> Match:
    if len(found) == 1:
        return Match(subnet=found[0])
    longest = max(subnet.prefix.prefixlen for subnet in found)
    best = [subnet for subnet in found if subnet.prefix.prefixlen == longest]
    best = [subnet for subnet in best if not subnet.off_vlan] or best
    if len(best) > 1:
        return Match(verdict="ambiguous", subnets=_in_order(best))
    return Match(subnet=best[0])


def _in_order(subnets: Iterable[SubnetView]) -> tuple[SubnetView, ...]:
    return tuple(sorted(subnets, key=lambda s: (s.name, s.id)))

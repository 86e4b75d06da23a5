"""From an address seen on a port to the subnet it belongs to, or the reason why to none.

The port's own wire decides, never the host and never a name: subnets created on the wire first, then those
whose additional wire it is; in each of the two the longest prefix wins. Membership is by prefix, not by what
may be allocated: an address outside the ranges was given by somebody else, but lies in the subnet, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.allocator.domain.reports import UNPLACED, link_local
from shared.events.address import Verdict
from shared.model.addresses import IPAddress, IPNetwork

Role = Literal["default", "detected", "pinned", "denied"]


@dataclass(frozen=True, slots=True)
class SubnetView:
    """What matching needs of a subnet."""

    id: UUID
    scope: UUID
    name: str
    prefix: IPNetwork
    gateway: IPAddress | None
    default_wire: UUID


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
    ip = ipaddress.ip_address(address)
    inside = [(subnet, role) for subnet, role in on_wire if ip in subnet.prefix]
    for roles in (("default",), ("detected", "pinned")):
        found = [subnet for subnet, role in inside if role in roles]
        if found:
            return _longest(found)
    if inside:
        return Match(verdict="denied", subnets=_in_order(subnet for subnet, _ in inside))
    if containing is not None:
        return Match(verdict="subnet_on_other_wire", subnets=(containing,))
    return Match(verdict="no_subnet_on_wire")


def _longest(found: list[SubnetView]) -> Match:
    longest = max(subnet.prefix.prefixlen for subnet in found)
    best = [subnet for subnet in found if subnet.prefix.prefixlen == longest]
    if len(best) > 1:
        return Match(verdict="ambiguous", subnets=_in_order(best))
    return Match(subnet=best[0])


def _in_order(subnets: object) -> tuple[SubnetView, ...]:
    return tuple(sorted(subnets, key=lambda s: (s.name, s.id)))  # type: ignore[call-overload]

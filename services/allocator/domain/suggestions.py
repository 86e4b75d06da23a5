"""Subnets proposed from addresses that are seen, and fit into no subnet.

Each guest votes with the prefix length and gateway that it has. The network with most votes is proposed
first; a network that would overlap one proposed before it, or one that exists, is halved until it does not.
An address whose guest tells no prefix length joins a network that contains it, or stands for a /24 or a /64.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

from shared.model.addresses import IPAddress, IPNetwork

SENSIBLE = {4: range(8, 31), 6: range(16, 127)}
"""Prefix lengths of networks with several hosts. A /32 says how an address was given, not its network."""
WHERE_NOT_TOLD = {4: 24, 6: 64}
NOBODYS = {
    4: [ipaddress.ip_network(n) for n in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")],
    6: [ipaddress.ip_network(n) for n in ("::/8", "fe80::/10", "ff00::/8")],
}
"""Ranges that no subnet can be in: unspecified, loopback, link-local, multicast, IPv4-mapped."""
ENOUGH_VMS = 3
"""VMs that agree, from which on their number adds no more confidence."""

Choice = TypeVar("Choice")


class Stray(NamedTuple):
    """An address that a living port is seen with and no subnet contains, with what its guest says of it."""

    scope: UUID
    wire: UUID
    vm: UUID
    address: str
    prefix: int | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A subnet that would give records to the VMs of `strays`.

    `wires` are those it is seen on, that with most VMs first: its default wire to be. `confidence` is from 0
    to 1; `narrowed`: the guests' own network would overlap another subnet.
    """

    scope: UUID
    prefix: IPNetwork
    wires: tuple[UUID, ...]
    gateway: str | None
    dns: tuple[str, ...]
    strays: tuple[Stray, ...]
    vms: int
    agree_on_prefix: int
    agree_on_gateway: int
    narrowed: bool
    confidence: float


def propose(strays: Iterable[Stray], existing: Mapping[UUID, Sequence[IPNetwork]]) -> list[Proposal]:
    """Subnets for `strays`, by scope and prefix. None overlaps another or one of `existing` in its scope."""
    by_family: dict[tuple[UUID, int], list[tuple[Stray, IPAddress]]] = {}
    for stray in sorted(set(strays), key=_order):
        ip = ipaddress.ip_address(stray.address)
        by_family.setdefault((stray.scope, ip.version), []).append((stray, ip))
    proposals = []
    for (scope, version), seen in by_family.items():
        blocked = [*NOBODYS[version], *(n for n in existing.get(scope, ()) if n.version == version)]
        free = [(stray, ip) for stray, ip in seen if not any(ip in n for n in blocked)]
        for network, narrowed in _networks(free, blocked):
            members = [stray for stray, ip in free if ip in network]
            proposals.append(_proposal(scope, network, members, narrowed=narrowed))
    return sorted(proposals, key=lambda p: (str(p.scope), p.prefix.version, p.prefix))


def _networks(
    seen: Sequence[tuple[Stray, IPAddress]], blocked: Sequence[IPNetwork]
) -> Iterable[tuple[IPNetwork, bool]]:
    """Networks that together contain all that is seen, each with whether it had to be narrowed."""
    chosen: list[IPNetwork] = list(blocked)
    votes: dict[IPNetwork, set[UUID]] = {}
    backed: Counter[IPNetwork] = Counter()
    for stray, ip in seen:
        network = _own_network(stray, ip)
        if network is not None:
            votes.setdefault(network, set()).add(stray.vm)
            backed[network] += stray.gateway is not None and ipaddress.ip_address(stray.gateway) in network
    best_first = sorted(votes, key=lambda n: (-len(votes[n]), -backed[n], -n.prefixlen, n.network_address))
    told = [(network, ip) for network in best_first for s, ip in seen if _own_network(s, ip) == network]
    untold = [(_default_network(ip), ip) for s, ip in seen if _own_network(s, ip) is None]
    for network, ip in (*told, *sorted(untold, key=lambda pair: pair[1])):
        if any(ip in other for other in chosen):
            continue
        fitting = _narrowed(network, ip, chosen)
        if fitting is not None:
            chosen.append(fitting)
            yield fitting, fitting != network


def _narrowed(network: IPNetwork, ip: IPAddress, others: Sequence[IPNetwork]) -> IPNetwork | None:
    """The largest part of `network` around `ip` that overlaps none of `others`; None if it has no host."""
    while any(network.overlaps(other) for other in others):
        if network.prefixlen + 1 not in SENSIBLE[network.version]:
            return None
        network = next(half for half in network.subnets() if ip in half)
    return network if _is_host(ip, network) else None


def _own_network(stray: Stray, ip: IPAddress) -> IPNetwork | None:
    """The network as the guest has it, where that can be."""
    if stray.prefix is None or stray.prefix not in SENSIBLE[ip.version]:
        return None
    network = ipaddress.ip_network((ip, stray.prefix), strict=False)
    return network if _is_host(ip, network) else None


def _default_network(ip: IPAddress) -> IPNetwork:
    length = WHERE_NOT_TOLD[ip.version]
    network = ipaddress.ip_network((ip, length), strict=False)
    # An address that can't be a host of the usual network shows that the network is wider.
    return network if _is_host(ip, network) else network.supernet()


def _is_host(ip: IPAddress, network: IPNetwork) -> bool:
    return ip != network.network_address and (ip.version == 6 or ip != network.broadcast_address)


def _proposal(scope: UUID, network: IPNetwork, strays: Sequence[Stray], *, narrowed: bool) -> Proposal:
    vms = {s.vm for s in strays}
    by_wire: dict[UUID, set[UUID]] = {}
    for stray in strays:
        by_wire.setdefault(stray.wire, set()).add(stray.vm)
    gateway, followers = _elected(
        (s.vm, s.gateway) for s in strays if s.gateway is not None and _can_be_gateway(s.gateway, network)
    )
    dns, _ = _elected((s.vm, own) for s in strays if (own := _of_family(s.dns, network.version)))
    agreed = {s.vm for s in strays if s.prefix == network.prefixlen}
    trust = 0.4 * len(agreed) + 0.3 * followers
    confidence = trust / len(vms) + 0.3 * min(1.0, len(vms) / ENOUGH_VMS)
    return Proposal(
        scope=scope,
        prefix=network,
        wires=tuple(sorted(by_wire, key=lambda w: (-len(by_wire[w]), str(w)))),
        gateway=gateway,
        dns=dns or (),
        strays=tuple(strays),
        vms=len(vms),
        agree_on_prefix=len(agreed),
        agree_on_gateway=followers,
        narrowed=narrowed,
        confidence=round(confidence / 2 if narrowed else confidence, 2),
    )


def _elected(votes: Iterable[tuple[UUID, Choice]]) -> tuple[Choice | None, int]:
    """What most VMs have, and how many do; of equals the first in order."""
    voters: dict[Choice, set[UUID]] = {}
    for vm, choice in votes:
        voters.setdefault(choice, set()).add(vm)
    if not voters:
        return None, 0
    best = min(voters, key=lambda choice: (-len(voters[choice]), str(choice)))
    return best, len(voters[best])


def _can_be_gateway(gateway: str, network: IPNetwork) -> bool:
    ip = ipaddress.ip_address(gateway)
    return ip in network and _is_host(ip, network)


def _of_family(servers: Iterable[str], version: int) -> tuple[str, ...]:
    return tuple(s for s in servers if ipaddress.ip_address(s).version == version)


def _order(stray: Stray) -> tuple[str, ...]:
    return tuple(map(str, stray))

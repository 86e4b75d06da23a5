"""What can be wrong with a subnet, each in its own words, and why an address of it is never handed out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Protocol
from uuid import UUID

from shared.ipam.domain.intervals import Interval, contains, default_ranges, size
from shared.model.addresses import IPAddress, IPNetwork, parse_address, parse_prefix

SMALLEST_IPV6_MTU = 1280
"""RFC 8200, section 5."""
LONGEST_NAME = 100
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")


class RangeDraft(Protocol):
    """An inclusive range as an operator states it."""

    @property
    def first(self) -> str: ...
    @property
    def last(self) -> str: ...


class RouteDraft(Protocol):
    """A static route as an operator states it."""

    @property
    def to(self) -> str: ...
    @property
    def via(self) -> str: ...


class SubnetDraft(Protocol):
    """What decides whether a subnet is sound. `SubnetFacts` is one, the command `SubnetCreate` too."""

    @property
    def name(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def ranges(self) -> Sequence[RangeDraft]: ...
    @property
    def gateway(self) -> str | None: ...
    @property
    def dns(self) -> Sequence[str]: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def ntp(self) -> Sequence[str]: ...
    @property
    def mtu(self) -> int | None: ...
    @property
    def vlan(self) -> int | None: ...
    @property
    def routes(self) -> Sequence[RouteDraft]: ...
    @property
    def cooldown_seconds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong: `code` for programs, `field` of the subnet, `message` for the operator."""

    code: str
    field: str
    message: str


def check_subnet(draft: SubnetDraft) -> list[Mistake]:
    """All mistakes in `draft`; none means that it can be created if nothing else stands in its place."""
    mistakes = [*_name(draft.name), *_numbers(draft), *_name_servers(draft.dns), *_names(draft)]
    try:
        prefix = parse_prefix(draft.prefix)
    except ValueError as error:
        return [*mistakes, Mistake("prefix_invalid", "prefix", str(error))]
    mistakes += _prefix(prefix)
    mistakes += _mtu(draft.mtu, prefix)
    gateway, found = _gateway(draft.gateway, prefix)
    mistakes += found
    mistakes += _ranges(draft.ranges, prefix)
    mistakes += _routes(draft.routes, prefix)
    if not draft.ranges and size(default_ranges(prefix, gateway)) == 0:
        text = f"the gateway {gateway} is the only address of {prefix}; nothing is left for guests"
        mistakes.append(Mistake("nothing_allocatable", "gateway", text))
    return mistakes


def why_not_allocatable(
    prefix: IPNetwork, ranges: Sequence[Interval], gateway: IPAddress | None, address: IPAddress
) -> str | None:
    """The reason for which `address` is never handed out in such a subnet; None if it may be."""
    if address.version != prefix.version or address not in prefix:
        return f"it is not in {prefix}"
    if address == gateway:
        return f"it is the gateway of {prefix}"
    special = _special(prefix, address)
    if special is not None:
        return f"it is the {special} of {prefix}"
    if not contains(ranges, address):
        spans = ", ".join("-".join(map(str, interval.addresses())) for interval in ranges)
        return f"it is outside the ranges of {prefix} that may be allocated ({spans})"
    return None


def _name(name: str) -> Iterator[Mistake]:
    if not name.strip():
        yield Mistake("name_empty", "name", "the subnet has no name; give it one that people will recognise")
    elif name != name.strip() or not name.isprintable():
        yield Mistake(
            "name_unclean", "name", f"the name {name!r} has blanks around it or invisible characters"
        )
    elif len(name) > LONGEST_NAME:
        yield Mistake(
            "name_too_long", "name", f"the name has {len(name)} characters; {LONGEST_NAME} is the limit"
        )
    elif _is_id(name):
        yield Mistake("name_is_id", "name", f"the name {name} looks like an id, and would be taken for one")


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _numbers(draft: SubnetDraft) -> Iterator[Mistake]:
    if draft.vlan is not None and not 1 <= draft.vlan <= 4094:
        yield Mistake(
            "vlan_out_of_range", "vlan", f"VLAN {draft.vlan} does not exist; they run from 1 to 4094"
        )
    if draft.cooldown_seconds < 0:
        text = f"a cool-down of {draft.cooldown_seconds} seconds ends before it begins; give 0 for none"
        yield Mistake("cooldown_negative", "cooldown_seconds", text)


def _name_servers(servers: Sequence[str]) -> Iterator[Mistake]:
    for server in servers:
        try:
            parse_address(server)
        except ValueError as error:
            yield Mistake("dns_invalid", "dns", f"name server: {error}")


def _names(draft: SubnetDraft) -> Iterator[Mistake]:
    if draft.domain is not None and not _HOST_NAME.fullmatch(draft.domain):
        text = f"{draft.domain!r} is no DNS domain; write it like example.net"
        yield Mistake("domain_invalid", "domain", text)
    for server in draft.ntp:
        if _HOST_NAME.fullmatch(server) and not server.replace(".", "").isdecimal():
            continue
        try:
            parse_address(server)
        except ValueError:
            text = f"time server {server!r} is neither an address nor a host name"
            yield Mistake("ntp_invalid", "ntp", text)


def _prefix(prefix: IPNetwork) -> Iterator[Mistake]:
    mapped = prefix.version == 6 and prefix.prefixlen >= 96 and prefix.network_address.ipv4_mapped
    if mapped:
        plain = IPv4Network((int(mapped), prefix.prefixlen - 96))
        text = f"{prefix} is an IPv4 network in IPv6 spelling; give {plain} instead"
        yield Mistake("prefix_ipv4_mapped", "prefix", text)
    elif prefix.is_multicast or prefix.is_loopback or prefix.is_link_local or prefix.prefixlen == 0:
        text = f"{prefix} is no network for guests: it is multicast, loopback, link-local or everything"
        yield Mistake("prefix_not_for_guests", "prefix", text)


def _mtu(mtu: int | None, prefix: IPNetwork) -> Iterator[Mistake]:
    if mtu is None:
        return
    if prefix.version == 6 and mtu < SMALLEST_IPV6_MTU:
        text = f"an MTU of {mtu} is too small for IPv6, which needs {SMALLEST_IPV6_MTU}"
        yield Mistake("mtu_too_small_for_ipv6", "mtu", text)
    elif not 68 <= mtu <= 65535:
        yield Mistake(
            "mtu_out_of_range", "mtu", f"an MTU of {mtu} is not possible; it is between 68 and 65535"
        )


def _gateway(text: str | None, prefix: IPNetwork) -> tuple[IPAddress | None, list[Mistake]]:
    """The gateway if it is sound, and what is wrong with it otherwise."""
    if text is None:
        return None, []
    try:
        gateway = parse_address(text)
    except ValueError as error:
        return None, [Mistake("gateway_invalid", "gateway", f"gateway: {error}")]
    mistake = _next_hop("gateway", "gateway", gateway, prefix)
    if mistake is None and (special := _special(prefix, gateway)) is not None:
        message = f"the gateway {gateway} is the {special} of {prefix}, which no router can have"
        mistake = Mistake("gateway_is_special", "gateway", message)
    return (gateway, []) if mistake is None else (None, [mistake])


def _next_hop(what: str, field: str, address: IPAddress, prefix: IPNetwork) -> Mistake | None:
    if address.version != prefix.version:
        text = f"the {what} {address} is IPv{address.version}, the prefix {prefix} IPv{prefix.version}"
        return Mistake("mixed_families", field, text)
    # IPv6 routers are commonly addressed by the link-local address that their advertisements carry.
    if address in prefix or (address.version == 6 and address.is_link_local):
        return None
    text = f"the {what} {address} is outside {prefix}; guests could not reach it"
    return Mistake("via_outside_prefix" if field == "routes" else f"{field}_outside_prefix", field, text)


def _ranges(ranges: Sequence[RangeDraft], prefix: IPNetwork) -> Iterator[Mistake]:
    sound: list[Interval] = []
    for stated in ranges:
        interval, mistake = _range(stated, prefix)
        if mistake is not None:
            yield mistake
        elif interval is not None:
            sound.append(interval)
    reach: Interval | None = None
    for interval in sorted(sound):
        if reach is not None and interval.first <= reach.last:
            one, other = ("-".join(map(str, i.addresses())) for i in (reach, interval))
            yield Mistake("ranges_overlap", "ranges", f"the ranges {one} and {other} overlap")
        if reach is None or interval.last > reach.last:
            reach = interval


def _range(stated: RangeDraft, prefix: IPNetwork) -> tuple[Interval | None, Mistake | None]:
    name = f"{stated.first}-{stated.last}"
    try:
        first, last = parse_address(stated.first), parse_address(stated.last)
    except ValueError as error:
        return None, Mistake("range_invalid", "ranges", f"range {name}: {error}")
    if {first.version, last.version} != {prefix.version}:
        text = f"the range {name} is not of the prefix's family, IPv{prefix.version}"
        return None, Mistake("mixed_families", "ranges", text)
    if int(first) > int(last):
        text = f"the range {name} is upside down; write {last}-{first}"
        return None, Mistake("range_upside_down", "ranges", text)
    if first not in prefix or last not in prefix:
        return None, Mistake("range_outside_prefix", "ranges", f"the range {name} reaches outside {prefix}")
    for end in (first, last):
        if (special := _special(prefix, end)) is not None:
            text = f"the range {name} contains {end}, the {special} of {prefix}"
            return None, Mistake("special_address_in_range", "ranges", text)
    return Interval.between(first, last), None


def _routes(routes: Sequence[RouteDraft], prefix: IPNetwork) -> Iterator[Mistake]:
    for route in routes:
        try:
            to, via = parse_prefix(route.to), parse_address(route.via)
        except ValueError as error:
            yield Mistake("route_invalid", "routes", f"route to {route.to} via {route.via}: {error}")
            continue
        if to.version != via.version:
            text = f"the route to {to} goes via {via}, which is of the other family"
            yield Mistake("mixed_families", "routes", text)
        elif (mistake := _next_hop(f"next hop of the route to {to},", "routes", via, prefix)) is not None:
            yield mistake


def _special(prefix: IPNetwork, address: IPAddress) -> str | None:
    """What makes `address` unfit for any host in `prefix`: the ends of all but the smallest networks."""
    if prefix.num_addresses <= 2:
        return None
    if address == prefix.network_address:
        return "network address" if prefix.version == 4 else "subnet-router anycast address"
    if prefix.version == 4 and address == prefix.broadcast_address:
        return "broadcast address"
    return None

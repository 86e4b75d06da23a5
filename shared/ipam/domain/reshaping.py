"""What becomes of a subnet's facts when it is split, merged with others, or gets another prefix.

A part keeps what its subnet says, as far as that is still sound: a gateway or a next hop outside it is left
out. Ranges that were all that can be allocated stay that; others are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import collapse_addresses, summarize_address_range
from typing import Literal, NamedTuple
from uuid import UUID

from shared.events.subnet import AddressRange, SubnetFacts
from shared.ipam.domain.intervals import Interval, default_ranges, merge, subtract
from shared.model.addresses import IPAddress, IPNetwork, parse_address, parse_prefix

MOST_PARTS = 256
_GIVEN_UP = (
    *("dns", "domain", "ntp", "mtu", "vlan", "routes"),
    *("auto_allocate", "allocation_order", "cooldown_seconds"),
)

AdditionalRole = Literal["detected", "pinned", "denied"]


class Senseless(Exception):
    """Subnets can't have the shape that was asked for. `code` is stable; `hint`: the next step."""

    def __init__(self, message: str, *, code: str, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.hint = hint


class Use(NamedTuple):
    """What an additional wire is to a subnet, and since when."""

    role: AdditionalRole
    since: datetime
    by: str | None = None


Roles = Mapping[UUID, Use]
"""Additional wires of a subnet."""


@dataclass(frozen=True, slots=True)
class Union:
    """The facts of several subnets as one; `given_up`: what of the others is said no more, in words."""

    facts: SubnetFacts
    given_up: tuple[str, ...]


def parts_of_length(name: str, prefix: IPNetwork, length: int) -> list[IPNetwork]:
    """`prefix` in parts of that prefix length. Raises `Senseless` split_senseless."""
    if not prefix.prefixlen < length <= prefix.max_prefixlen:
        raise Senseless(
            f"subnet {name!r} is {prefix}; its parts can have a prefix length from {prefix.prefixlen + 1} "
            f"to {prefix.max_prefixlen}, not {length}",
            code="split_senseless",
            field="prefix_length",
        )
    if length - prefix.prefixlen > 8:
        raise Senseless(
            f"subnet {name!r} ({prefix}) in parts of /{length} would be "
            f"2^{length - prefix.prefixlen} subnets; at most {MOST_PARTS} are made at once",
            code="split_senseless",
            field="prefix_length",
            hint=f"split it at /{prefix.prefixlen + 8} first",
        )
    return list(prefix.subnets(new_prefix=length))


def parts_at(name: str, prefix: IPNetwork, cuts: Iterable[str]) -> list[IPNetwork]:
    """The fewest prefixes that make up `prefix` and begin at each of `cuts`.

    Raises `Senseless` split_outside_prefix, split_senseless.
    """
    asked: set[IPAddress] = set()
    for text in cuts:
        cut = parse_address(text)
        if cut.version != prefix.version or cut not in prefix:
            raise Senseless(
                f"{cut} is not in subnet {name!r} ({prefix}), so it can't be split there",
                code="split_outside_prefix",
                field="at",
            )
        if cut == prefix.network_address:
            raise Senseless(
                f"subnet {name!r} begins at {cut}; splitting it there leaves it whole",
                code="split_senseless",
                field="at",
            )
        asked.add(cut)
    starts = [prefix.network_address, *sorted(asked, key=int)]
    ends = [*(cut - 1 for cut in starts[1:]), prefix.broadcast_address]
    found: list[IPNetwork] = []
    for first, last in zip(starts, ends, strict=True):
        found += summarize_address_range(first, last)
    if len(found) > MOST_PARTS:
        raise Senseless(
            f"splitting subnet {name!r} ({prefix}) there makes {len(found)} subnets, as each must "
            f"be a prefix; at most {MOST_PARTS} are made at once",
            code="split_senseless",
            field="at",
            hint="split it at rounder addresses",
        )
    return found


def part(subnet: SubnetFacts, prefix: IPNetwork, identity: UUID, name: str) -> SubnetFacts:
    """`subnet` cut to `prefix`. Raises `Senseless` part_without_ranges."""
    gateway = subnet.gateway if subnet.gateway is not None and _reachable(subnet.gateway, prefix) else None
    ranges: tuple[AddressRange, ...] = ()
    if not has_default_ranges(subnet):
        ranges = _cut(subnet, prefix)
        if not ranges:
            raise Senseless(
                f"{prefix} would have none of the ranges that subnet {subnet.name!r} may be allocated from",
                code="part_without_ranges",
                field="ranges",
                hint=f"widen them first: patchbay subnet update {subnet.name} --range FIRST-LAST",
            )
    return subnet.model_copy(
        update={
            "id": identity,
            "name": name,
            "prefix": str(prefix),
            "gateway": gateway,
            "ranges": ranges,
            "routes": tuple(r for r in subnet.routes if _reachable(r.via, prefix)),
        }
    )


def left_out(subnet: SubnetFacts, one: SubnetFacts) -> list[str]:
    """What of `subnet` its part `one` has no more, in words."""
    said = []
    if subnet.gateway is not None and one.gateway is None:
        said.append(f"{one.name} ({one.prefix}) has no gateway: {subnet.gateway} is outside it")
    said += [
        f"{one.name} ({one.prefix}) loses the route to {route.to}: {route.via} is outside it"
        for route in subnet.routes
        if route not in one.routes
    ]
    return said


def union(first: SubnetFacts, others: Sequence[SubnetFacts], prefix: str | None) -> Union:
    """`first` with all that `others` have.

    Raises `Senseless` merge_mixed_families, merge_not_adjacent.
    """
    everyone = [first, *others]
    prefixes = [parse_prefix(one.prefix) for one in everyone]
    whole = _whole(everyone, prefixes, prefix)
    gateway = first.gateway or next((one.gateway for one in others if one.gateway is not None), None)
    strange = sorted({one.gateway for one in others if one.gateway not in (None, gateway)} - {None}, key=str)
    routers = [_single(parse_address(g)) for g in strange if g is not None and parse_address(g) in whole]
    ranges: tuple[AddressRange, ...] = ()
    plain = all(has_default_ranges(one) for one in everyone) and list(collapse_addresses(prefixes)) == [whole]  # type: ignore[type-var]
    if routers or not plain:
        stated = _healed((interval for one in everyone for interval in _intervals(one)), prefixes)
        if plain:
            stated = default_ranges(whole, None if gateway is None else parse_address(gateway))
        ranges = tuple(_as_range(interval) for interval in subtract(stated, routers))
    labels = {key: value for one in reversed(everyone) for key, value in one.labels.items()}
    facts = first.model_copy(
        update={"prefix": str(whole), "gateway": gateway, "ranges": ranges, "labels": labels}
    )
    said = [
        f"gateway {g} of {one.name} is an address like others, kept out of the ranges"
        for one in others
        for g in (one.gateway,)
        if g is not None and g != gateway
    ]
    for one in others:
        said += [
            f"{field.replace('_', ' ')} of {one.name} gives way to that of {first.name}"
            for field in _GIVEN_UP
            if getattr(one, field) != getattr(first, field)
        ]
    return Union(facts, tuple(said))


def joined_wires(
    first: SubnetFacts, roles: Roles, others: Sequence[tuple[SubnetFacts, Roles]], at: datetime, by: str
) -> dict[UUID, Use]:
    """The additional wires of all as those of one; the others' default wires are pinned, by `by` at `at`.

    Raises `Senseless` wires_contradict when operators pinned for one what they denied for another.
    """
    found: dict[UUID, tuple[Use, str]] = {wire: (use, first.name) for wire, use in roles.items()}
    for other, theirs in others:
        defaults = (
            {other.default_wire: Use("pinned", at, by)} if other.default_wire != first.default_wire else {}
        )
        for wire, use in {**theirs, **defaults}.items():
            if wire == first.default_wire:
                if use.role == "denied":
                    raise _contradiction(wire, first.name, other.name)
                continue
            known = found.get(wire)
            if known is None:
                found[wire] = (use, other.name)
                continue
            if {known[0].role, use.role} == {"pinned", "denied"}:
                pinned = known[1] if known[0].role == "pinned" else other.name
                raise _contradiction(wire, pinned, other.name if pinned == known[1] else known[1])
            # What people say is more than what was detected; of equals the older.
            found[wire] = min(
                known, (use, other.name), key=lambda each: (each[0].role == "detected", each[0].since)
            )
    return {wire: use for wire, (use, _) in found.items()}


def has_default_ranges(subnet: SubnetFacts) -> bool:
    """Whether its ranges are just all that can be allocated."""
    gateway = None if subnet.gateway is None else parse_address(subnet.gateway)
    return not subnet.ranges or _intervals(subnet) == default_ranges(parse_prefix(subnet.prefix), gateway)


def _healed(intervals: Iterable[Interval], prefixes: Iterable[IPNetwork]) -> list[Interval]:
    """`intervals` joined where only what was a network or broadcast address until now is between them."""
    ends = merge(_single(end) for p in prefixes for end in (p.network_address, p.broadcast_address))
    found: list[Interval] = []
    for interval in merge(intervals):
        before = found[-1] if found else None
        if before is not None and before.version == interval.version:
            gap = Interval(interval.version, before.last + 1, interval.first - 1)
            if not subtract([gap], ends):
                found[-1] = before._replace(last=interval.last)
                continue
        found.append(interval)
    return found


def _whole(everyone: Sequence[SubnetFacts], prefixes: Sequence[IPNetwork], asked: str | None) -> IPNetwork:
    listed = ", ".join(f"{one.name} ({one.prefix})" for one in everyone)
    if len({prefix.version for prefix in prefixes}) > 1:
        raise Senseless(f"{listed} are of both families and can't be one", code="merge_mixed_families")
    smallest = prefixes[0]
    while not all(_within(prefix, smallest) for prefix in prefixes):
        smallest = smallest.supernet()
    if asked is None:
        if list(collapse_addresses(prefixes)) != [smallest]:  # type: ignore[type-var]
            raise Senseless(
                f"{listed} do not make up one prefix; the smallest that contains them is {smallest}",
                code="merge_not_adjacent",
                field="prefix",
                hint=f"if all of it is one network, add --prefix {smallest}",
            )
        return smallest
    whole = parse_prefix(asked)
    if whole.version != smallest.version or not _within(smallest, whole):
        raise Senseless(
            f"{whole} does not contain all of {listed}; the smallest prefix that does is {smallest}",
            code="merge_not_adjacent",
            field="prefix",
        )
    return whole


def _within(one: IPNetwork, other: IPNetwork) -> bool:
    return one.network_address in other and one.prefixlen >= other.prefixlen


def _contradiction(wire: UUID, pinned: str, denied: str) -> Senseless:
    return Senseless(
        f"wire {wire} may use {pinned!r} and may not use {denied!r}, operators said",
        code="wires_contradict",
        hint="say the same of both first, with: patchbay subnet set-wires SUBNET --pin WIRE",
    )


def _reachable(text: str, prefix: IPNetwork) -> bool:
    address = parse_address(text)
    return address in prefix or (address.version == 6 and address.is_link_local)


def _intervals(subnet: SubnetFacts) -> list[Interval]:
    if not subnet.ranges:
        gateway = None if subnet.gateway is None else parse_address(subnet.gateway)
        return default_ranges(parse_prefix(subnet.prefix), gateway)
    return merge(Interval.between(parse_address(r.first), parse_address(r.last)) for r in subnet.ranges)


def _cut(subnet: SubnetFacts, prefix: IPNetwork) -> tuple[AddressRange, ...]:
    [whole] = default_ranges(prefix, None)
    outside = subtract([whole], _intervals(subnet))
    return tuple(_as_range(interval) for interval in subtract([whole], outside))


def _single(address: IPAddress) -> Interval:
    return Interval.between(address, address)


def _as_range(interval: Interval) -> AddressRange:
    first, last = interval.addresses()
    return AddressRange(first=str(first), last=str(last))

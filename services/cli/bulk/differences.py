"""What a file says differently from what is known. Pure.

An entry says all about its thing: a field that is left out is empty, or what it is by default. Of reserved
addresses each is compared by itself, so that ranges may be cut otherwise in the file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

from services.cli.bulk.forms import Entry, Problem, Value
from services.cli.subnets import address_range, labels, route
from shared.events.subnet import AddressRange, SubnetFacts
from shared.ipam.domain import Interval, check_subnet, default_ranges, merge, subtract
from shared.model.addresses import parse_address, parse_prefix
from shared.model.identifiers import DEFAULT_SCOPE_NAME

What = Literal["added", "changed", "removed", "unchanged"]

DEFAULTS: Mapping[str, Value] = {
    "auto_allocate": True,
    "allocation_order": "lowest",
    "cooldown_seconds": 1800,
}
NOBODYS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to become of one thing. `fields`: those that differ, each as it is and as it is to be."""

    what: What
    entry: Entry
    fields: Mapping[str, tuple[Value | None, Value | None]] = field(default_factory=dict)


def normal(entry: Entry) -> Entry:
    """The entry in its one spelling: nothing that is so anyway, ranges merged, labels in order."""
    values = {name: value for name, value in entry.values.items() if DEFAULTS.get(name) != value}
    if values.get("scope") == DEFAULT_SCOPE_NAME:
        del values["scope"]
    if entry.kind == "subnet":
        if values.get("ranges"):
            values["ranges"] = _ranges(entry)
            if not values["ranges"]:
                del values["ranges"]
        if isinstance(values.get("labels"), tuple):
            values["labels"] = tuple(sorted(set(values["labels"])))  # type: ignore[arg-type]
    elif entry.kind == "fix" and isinstance(values.get("fixed"), tuple):
        values["fixed"] = tuple(sorted(values["fixed"]))  # type: ignore[arg-type]
    return Entry(entry.kind, values, entry.line)


def facts_of(entry: Entry) -> SubnetFacts:
    """The subnet that an entry describes, with neither id nor wire. Raises pydantic's ValidationError."""
    return SubnetFacts.model_validate(_values(entry))


def _values(entry: Entry) -> dict[str, Any]:
    values = {**DEFAULTS, **{n: v for n, v in entry.values.items() if n != "wire"}}
    return {
        **values,
        "id": NOBODYS,
        "default_wire": NOBODYS,
        "scope": values.get("scope", DEFAULT_SCOPE_NAME),
        "ranges": tuple(address_range(text) for text in _texts(entry, "ranges")),
        "routes": tuple(route(text) for text in _texts(entry, "routes")),
        "labels": labels(_texts(entry, "labels")),
    }


def check(entries: Sequence[Entry]) -> list[Problem]:
    """All that is wrong with entries by themselves and among each other."""
    problems = [*_twice(entries)]
    subnets = [entry for entry in entries if entry.kind == "subnet"]
    for entry in subnets:
        problems += _mistakes(entry)
    problems += _overlaps(subnets)
    problems += _reserved_twice(entry for entry in entries if entry.kind == "reserved")
    return sorted(problems, key=lambda problem: problem.line)


def compare(known: Sequence[Entry], wanted: Sequence[Entry]) -> list[Difference]:
    """What of `wanted` is not so, what is, and what is known beside it ("removed"), in the order of both."""
    before = {entry.key: entry for entry in map(normal, known)}
    reserved = _Reserved(entry for entry in before.values() if entry.kind == "reserved")
    found: list[Difference] = []
    listed = set()
    for entry in map(normal, wanted):
        listed.add(entry.key)
        if entry.kind == "reserved":
            found.append(_compare_reserved(entry, reserved.touching(entry)))
            continue
        old = before.get(entry.key)
        fields = _fields(old, entry) if old is not None else {}
        what: What = "added" if old is None else "changed" if fields else "unchanged"
        found.append(Difference(what, entry, fields))
    stated = _Reserved(entry for entry in wanted if entry.kind == "reserved")
    for entry in before.values():
        if entry.kind == "reserved":
            found += [Difference("removed", left) for left in _left_over(entry, stated.touching(entry))]
        elif entry.key not in listed:
            found.append(Difference("removed", entry))
    return found


class _Reserved:
    """Reserved ranges, found by the addresses that they have in common with another."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        placed = [((_scope(entry), _interval(entry)), entry) for entry in entries]
        self._placed = sorted(placed, key=lambda one: one[0])
        self._places = [place for place, _ in self._placed]

    def touching(self, entry: Entry) -> list[Entry]:
        """Those that have an address of `entry`, of the same scope."""
        scope, span = _scope(entry), _interval(entry)
        # Ranges of one scope are disjoint: only one before the first may reach in.
        start = max(bisect_left(self._places, (scope, span)) - 1, 0)
        found = []
        for (where, other), one in self._placed[start:]:
            if (where, other.version) > (scope, span.version) or (where == scope and other.first > span.last):
                break
            if where == scope and other.version == span.version and other.last >= span.first:
                found.append(one)
        return found


def _fields(old: Entry, new: Entry) -> dict[str, tuple[Value | None, Value | None]]:
    names = dict.fromkeys((*old.values, *new.values))
    return {
        name: (old.values.get(name), new.values.get(name))
        for name in names
        if old.values.get(name) != new.values.get(name)
    }


def _compare_reserved(entry: Entry, own: Sequence[Entry]) -> Difference:
    wanted = [_interval(entry)]
    there = [_interval(other) for other in own]
    same = [_interval(other) for other in own if _words(other) == _words(entry)]
    if not subtract(wanted, same):
        return Difference("unchanged", entry)
    partly = subtract(wanted, there) != merge(wanted)
    other = next((o for o in own if subtract(wanted, [_interval(o)]) != merge(wanted)), None)
    fields = {} if other is None else _fields(other, entry)
    return Difference("changed" if partly else "added", entry, fields)


def _left_over(entry: Entry, stated: Iterable[Entry]) -> Iterator[Entry]:
    for interval in subtract([_interval(entry)], [_interval(other) for other in stated]):
        first, last = map(str, interval.addresses())
        addresses = first if first == last else f"{first}-{last}"
        yield Entry("reserved", {**entry.values, "addresses": addresses})


def _mistakes(entry: Entry) -> Iterator[Problem]:
    # Not through the model's own checks, whose words are for programs.
    for mistake in check_subnet(SubnetFacts.model_construct(**_values(entry))):
        yield Problem(entry.line, f"subnet {entry.name!r}: {mistake.message}")


def _twice(entries: Iterable[Entry]) -> Iterator[Problem]:
    seen: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        first = seen.setdefault(entry.key, entry)
        if first is not entry:
            yield Problem(entry.line, f"{entry.kind} {entry.name!r} is in line {first.line} already")


def _overlaps(subnets: Iterable[Entry]) -> Iterator[Problem]:
    placed = sorted(
        ((_scope(entry), _prefix(entry), entry.line, entry) for entry in subnets), key=lambda one: one[:3]
    )
    widest: tuple[str, Interval, int, Entry] | None = None
    for one in placed:
        if widest is not None and one[0] == widest[0] and one[1].version == widest[1].version:
            if one[1].first <= widest[1].last:
                first, second = sorted((widest, one), key=lambda each: each[2])
                told = f"{second[3].values['prefix']} overlaps {first[3].values['prefix']}"
                yield Problem(second[2], f"{told} of {first[3].name!r} in line {first[2]}")
            if one[1].last <= widest[1].last:
                continue
        widest = one


def _reserved_twice(reserved: Iterable[Entry]) -> Iterator[Problem]:
    placed = sorted(((_scope(entry), _interval(entry)), entry.line) for entry in reserved)
    for (one, first), (other, second) in pairwise(placed):
        if one[0] == other[0] and one[1].version == other[1].version and other[1].first <= one[1].last:
            yield Problem(max(first, second), f"it reserves addresses of line {min(first, second)} again")


def _prefix(entry: Entry) -> Interval:
    prefix = parse_prefix(str(entry.values["prefix"]))
    return Interval.between(prefix.network_address, prefix.broadcast_address)


def _ranges(entry: Entry) -> tuple[str, ...]:
    stated = merge(_span(address_range(text)) for text in _texts(entry, "ranges"))
    gateway = entry.values.get("gateway")
    prefix = parse_prefix(str(entry.values["prefix"]))
    if stated == default_ranges(prefix, None if gateway is None else parse_address(str(gateway))):
        return ()
    ends = (interval.addresses() for interval in stated)
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in ends)


def _interval(entry: Entry) -> Interval:
    return _span(address_range(str(entry.values["addresses"])))


def _span(stated: AddressRange) -> Interval:
    return Interval.between(parse_address(stated.first), parse_address(stated.last))


def _scope(entry: Entry) -> str:
    return str(entry.values.get("scope", DEFAULT_SCOPE_NAME))


def _words(entry: Entry) -> tuple[Value | None, Value | None]:
    return entry.values.get("note"), entry.values.get("until")


def _texts(entry: Entry, name: str) -> list[str]:
    found = entry.values.get(name)
    return list(found) if isinstance(found, tuple) else []

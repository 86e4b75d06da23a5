"""Which events somebody wants: to see, to play again, to take out of the dead letters. Pure.

In: a message as plain JSON, so that one that nobody can read has a place here, too. Out: yes or no.
It looks for what is named wherever an event of any type carries it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.events.base import Event
from shared.events.envelope import Envelope

_VM_KEYS = frozenset({"vm", "vm_moid", "vm_name"})
_OWN_VM_KEYS = frozenset({"moid", "name", "instance_uuid", "hostname"})
_VM_FAMILIES = ("inventory.vm.", "guest.", "vm.create.")
_WIRE_KEYS = frozenset({"wire", "wires", "default_wire"})
_NETWORK_KEYS = frozenset({"network"})
_ADDRESS_KEYS = frozenset({"address", "addresses", "second_address", "unplaced", "gateway"})
_SUBNET_KEYS = frozenset({"subnet", "subnet_name", "subnets", "second_subnet"})


class Named(BaseModel):
    """A VM or a wire by all that events may call it.

    `words` (ids, names) count wherever they stand; `moid` only in events of its `vcenter`, since every
    vCenter has a "vm-42".
    """

    model_config = ConfigDict(frozen=True)

    words: tuple[str, ...] = ()
    vcenter: str | None = None
    moid: str | None = None

    def called(self, vcenter: object) -> frozenset[str]:
        """What it is called in an event of `vcenter`."""
        here = self.moid is not None and self.vcenter in {None, vcenter}
        return frozenset({*self.words, self.moid} if here and self.moid else self.words)


class Prefix(BaseModel):
    """A subnet by all that events may call it, and by what lies in it: guests' facts know no subnets."""

    model_config = ConfigDict(frozen=True)

    words: tuple[str, ...] = ()
    prefix: str | None = None
    scope: str = "default"


class Selection(BaseModel):
    """What must hold of an event; what is empty is not asked.

    `types` are type names, families ("nic" means "nic.*") or patterns, one of which must fit; `vcenter` is
    an id, `address` canonical text.
    """

    model_config = ConfigDict(frozen=True)

    types: tuple[str, ...] = ()
    vcenter: str | None = None
    vm: Named | None = None
    wire: Named | None = None
    subnet: Prefix | None = None
    address: str | None = None

    @property
    def everything(self) -> bool:
        """Does any event fit?"""
        return self == _EVERYTHING

    def wants(self, envelope: Envelope[Event]) -> bool:
        """Does an event that was read fit?"""
        return self.fits(envelope.model_dump(mode="json"))

    def takes(self, body: bytes, name: str) -> bool:
        """Does a message fit, by its body, or where that is no JSON object by its type `name`?"""
        return self.everything or self.fits(describe(body, name))

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Does `event`, as JSON, fit every criterion?"""
        name, vcenter = str(event.get("type", "")), event.get("vcenter")
        if self.types and not any(type_fits(name, pattern) for pattern in self.types):
            return False
        if self.vcenter is not None and vcenter != self.vcenter:
            return False
        data = event.get("data")
        data = data if isinstance(data, dict) else {}
        return (
            (self.vm is None or not self.vm.called(vcenter).isdisjoint(_vm_words(name, data)))
            and (self.wire is None or not self.wire.called(vcenter).isdisjoint(_wire_words(name, data)))
            and (self.subnet is None or _in_subnet(self.subnet, name, data))
            and (self.address is None or self.address in _found(data, _ADDRESS_KEYS))
        )


_EVERYTHING = Selection()


def describe(body: bytes, name: str) -> Mapping[str, Any]:
    """A message's body as JSON; the `name` of its type alone where it is no JSON object."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return {"type": name}
    if not isinstance(raw, dict):
        return {"type": name}
    return raw if isinstance(raw.get("type"), str) else {**raw, "type": name}


def type_fits(name: str, pattern: str) -> bool:
    """Is `name` the type, of the family, or of the pattern? A family is a whole word: "nic", not "ni"."""
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def unknown_types(patterns: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of `patterns` that none of the `known` types fits."""
    names = list(known)
    return [pattern for pattern in patterns if not any(type_fits(name, pattern) for name in names)]


def _vm_words(name: str, data: dict[str, Any]) -> set[str]:
    words = set(_found(data, _VM_KEYS))
    if name.startswith(_VM_FAMILIES):
        words |= {str(value) for key, value in data.items() if key in _OWN_VM_KEYS}
    return words


def _wire_words(name: str, data: dict[str, Any]) -> set[str]:
    words = set(_found(data, _WIRE_KEYS | _NETWORK_KEYS))
    if name.startswith("inventory.portgroup."):
        words.add(str(data.get("moid")))
    for facts in _objects(data, _WIRE_KEYS):
        words |= {str(facts.get("id")), str(facts.get("network"))}
    return words


def _in_subnet(subnet: Prefix, name: str, data: dict[str, Any]) -> bool:
    words = set(_found(data, _SUBNET_KEYS))
    for facts in _objects(data, _SUBNET_KEYS):
        words |= {str(facts.get("id")), str(facts.get("name"))}
    if not words.isdisjoint(subnet.words):
        return True
    if subnet.prefix is None or not name.startswith("guest.") or data.get("scope") != subnet.scope:
        return False
    network = ip_network(subnet.prefix)
    return any(_lies_in(text, network) for text in _found(data, frozenset({"address", "unplaced"})))


def _lies_in(text: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(text) in network
    except ValueError:
        return False


def _found(data: object, keys: frozenset[str]) -> Iterator[str]:
    """Text values under any of `keys`, however deep."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key in keys:
                yield from (str(v) for v in (value if isinstance(value, list) else [value]))
            yield from _found(value, keys)
    elif isinstance(data, list):
        for item in data:
            yield from _found(item, keys)


def _objects(data: object, keys: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Objects under any of `keys`, however deep."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key in keys:
                yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict))
            yield from _objects(value, keys)
    elif isinstance(data, list):
        for item in data:
            yield from _objects(item, keys)

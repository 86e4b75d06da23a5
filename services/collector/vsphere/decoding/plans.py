"""How the values of each watched path are read from text: by pattern, or else by a parser of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from services.collector.vsphere import translating_machines
from services.collector.vsphere.decoding import shapes
from services.collector.vsphere.decoding.documents import Unfamiliar, parse_fragment
from services.collector.vsphere.decoding.scalars import once, scalar_of
from services.collector.vsphere.decoding.unfamiliar import NOT_UNDERSTOOD
from services.collector.vsphere.decoding.views import value_of
from services.collector.vsphere.paths import WATCHED, Field

Scanner = Callable[[str, int], tuple[object, int, int]]
Convert = Callable[[Any], object]

_SCANNERS: Mapping[Convert, tuple[str, Scanner]] = {
    translating_machines.cards: ("ArrayOfVirtualDevice", shapes.cards),
    translating_machines.guest_nics: ("ArrayOfGuestNicInfo", shapes.guest_nics),
    translating_machines.guest_stacks: ("ArrayOfGuestStackInfo", shapes.guest_stacks),
    translating_machines.reservation: ("OptionValue", shapes.option),
    translating_machines.moids: ("ArrayOfManagedObjectReference", shapes.references),
}
_AFTER_NAME = "</name><op>assign</op>"
_ENDS = "</val>"
_SHORT = 32 * 1024


class Plan(NamedTuple):
    """How the values of one path are read. `scan`, of values of type `array`, starts at the first element."""

    field: Field
    array: str
    scan: Scanner | None
    is_reference: bool

    def single(self, type_name: str, content: str, referred: str | None) -> object:
        """A value that is one text. `referred`: type of the managed object, where it is one's id."""
        if self.is_reference:
            if type_name != "ManagedObjectReference" or not referred:
                raise Unfamiliar
            return once(content)
        if referred:
            raise Unfamiliar
        try:
            return self.field.convert(scalar_of(type_name, content))
        except NOT_UNDERSTOOD:
            raise Unfamiliar from None

    def several(self, text: str, type_name: str, named: int, at: int) -> tuple[object, int, int]:
        """A value made of elements, the first of them at `at`; how many, and where they end.

        `named` is where the path's name ends.
        """
        if self.scan is not None and self.array == type_name:
            return self.scan(text, at)
        if self.is_reference:
            raise Unfamiliar
        end = text.find(_ENDS, at)
        if end < 0:
            raise Unfamiliar
        written = text[named + len(_AFTER_NAME) : end + len(_ENDS)]
        translate = _remembered if len(written) < _SHORT else _translated
        return *translate(self.field.convert, written), end


def _translated(convert: Convert, written: str) -> tuple[object, int]:
    """The value in an element and its number of items. What is odd is left to who counts it."""
    names, element = parse_fragment(written)
    try:
        value = value_of(names, element)
        plain = convert(value)
    except NOT_UNDERSTOOD:
        raise Unfamiliar from None
    if names.strange:
        raise Unfamiliar
    return plain, len(value) if isinstance(value, list) else 1


_remembered = lru_cache(maxsize=256)(_translated)
"""Hosts have the same switches and port groups over and over: equal values are translated and kept once."""


def forget() -> None:
    """Translate anew what was translated before; for measurements."""
    _remembered.cache_clear()


def _plan(field: Field) -> Plan:
    array, scan = _SCANNERS.get(field.convert, ("", None))
    return Plan(field, array, scan, field.convert is translating_machines.moid)


PLANS: Mapping[str, Mapping[str, Plan]] = MappingProxyType(
    {name: {path: _plan(field) for path, field in kind.fields.items()} for name, kind in WATCHED.items()}
)
"""By type and path."""

"""Single values: text to Python, by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from pyVmomi.VmomiSupport import Enum

from services.collector.vsphere.decoding.documents import Unfamiliar
from services.collector.vsphere.decoding.unfamiliar import type_named

_TRUTH = {"true": True, "1": True, "false": False, "0": False}
Parser = Callable[[str | None], object]


def boolean(text: str | None) -> bool:
    """XML Schema's boolean. Raises `Unfamiliar`."""
    try:
        return _TRUTH[text or ""]
    except KeyError:
        raise Unfamiliar from None


def integer(text: str | None) -> int:
    """A whole number. Raises `Unfamiliar`."""
    try:
        return int(text or "")
    except ValueError:
        raise Unfamiliar from None


def string(text: str | None) -> str:
    """Text; no text is an empty one."""
    return text or ""


def once(text: str | None) -> str | None:
    """The text, kept once for all who hold it: a vCenter repeats some words by the hundred thousand."""
    return text and intern(text)


_PARSERS: Mapping[str, Parser] = MappingProxyType(
    {
        "xsd:string": string,
        "xsd:boolean": boolean,
        "xsd:int": integer,
        "xsd:long": integer,
        "xsd:short": integer,
        "xsd:byte": integer,
    }
)


def scalar_of(type_name: str, text: str | None) -> object:
    """The value that `text` is in a simple or an enumerated type. Raises `Unfamiliar`."""
    parse = _PARSERS.get(type_name)
    return parse(text) if parse is not None else word(text or "", type_named(type_name))


def word(text: str, enumeration: Any) -> str:
    """A word of a pyVmomi enumeration. Raises `Unfamiliar` when it is none, ValueError for another word.

    pyVmomi is not asked about the word: it takes any name that the enumeration's class has.
    """
    if enumeration is None or not issubclass(enumeration, Enum):
        raise Unfamiliar
    if text not in enumeration.values:
        raise ValueError(text)
    return intern(text)


def parser_of(kind: Any) -> Parser | None:
    """How text becomes a value of one of pyVmomi's types; None for objects, and for what nobody asks for."""
    if issubclass(kind, Enum):
        return lambda text: word(text or "", kind)
    if issubclass(kind, bool):
        return boolean
    if issubclass(kind, int):
        return integer
    return string if issubclass(kind, str) else None

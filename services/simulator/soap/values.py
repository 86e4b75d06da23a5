"""The values that vSphere properties, results and faults are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Union

Value = Union[
    None, bool, int, float, str, datetime, "Ref", "Enum", "Array", "Data", "AnyValue", "LocalizedFault"
]
"""None stands for an unset optional property and is never written."""


class Ref(NamedTuple):
    """Reference to a managed object: its type's wire name and its id, such as ("VirtualMachine", "vm-42")."""

    type: str
    moid: str


class Enum(NamedTuple):
    """A member of one of vSphere's enumerations; where its type is plain string, a str is used instead."""

    type: str
    value: str


class Long(int):
    """An integer that the schema declares as 64 bits wide."""


class Short(int):
    """An integer that the schema declares as 16 bits wide."""


class Array(NamedTuple):
    """A list with the wire name of its items ("string", "GuestNicInfo", "ManagedObjectReference")."""

    item: str
    items: Sequence[Value]


class AnyValue(NamedTuple):
    """A value in a field declared as xsd:anyType, which therefore names its own type."""

    value: Value


class Data:
    """A data object: the wire name of its type and its fields in the schema's order."""

    __slots__ = ("fields", "type")

    def __init__(self, type_: str, /, **fields: Value) -> None:
        self.type = type_
        self.fields: dict[str, Value] = fields

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.type == self.type and other.fields == self.fields

    __hash__ = None  # type: ignore[assignment]  # compared by its fields, which may change

    def __repr__(self) -> str:
        return f"{self.type}({self.fields!r})"


class Typed(Data):
    """A data object that stands where its declared type is a base class, so that it names its own."""

    __slots__ = ()


class Still(Typed):
    """A typed data object that never changes: its XML is made once and kept."""

    __slots__ = ("drawn",)

    def __init__(self, type_: str, /, **fields: Value) -> None:
        super().__init__(type_, **fields)
        self.drawn: dict[str, str] = {}


class LocalizedFault(NamedTuple):
    """A fault inside an answer (missingSet, a task's error), with its message."""

    fault: Data
    message: str


def refs(items: Sequence[Ref]) -> Array:
    """The array of references that an array-valued link property holds."""
    return Array("ManagedObjectReference", items)


def strings(items: Sequence[str]) -> Array:
    """An array of strings."""
    return Array("string", items)

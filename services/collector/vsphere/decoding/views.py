"""XML elements that look like pyVmomi's objects, and read of themselves only what is asked for.

So there is one translation to plain values, that of pyVmomi's objects, and it translates these. Names, types
and defaults of fields are pyVmomi's; what is asked for and looks otherwise raises `Unfamiliar`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

from pyVmomi import vim
from pyVmomi.VmomiSupport import F_OPTIONAL, DataObject, Enum, ManagedObject

from services.collector.vsphere.decoding.documents import VIM, Element, TypeNames, Unfamiliar
from services.collector.vsphere.decoding.scalars import parser_of, scalar_of
from services.collector.vsphere.decoding.unfamiliar import type_named

Reading: TypeAlias = Callable[[TypeNames, Element], Any]
_DEVICE: Any = vim.vm.device.VirtualDevice
_CARD: Any = vim.vm.device.VirtualEthernetCard
_MAC = f"{{{VIM}}}macAddress"
_NUMBERS = {bool: False, int: 0, float: 0.0}


class Reference:
    """A managed object's id."""

    __slots__ = ("_moId",)

    def __init__(self, moid: str) -> None:
        self._moId = moid


class View:
    """A data object. Each pyVmomi type has its own subclass, of the same name."""

    _imitated: ClassVar[Any]
    _fields: ClassVar[Mapping[str, Reading]]

    def __init__(self, names: TypeNames, element: Element) -> None:
        self._names = names
        self._element = element

    @property  # type: ignore[misc]  # mypy knows __class__ as a variable
    def __class__(self) -> Any:
        """What isinstance() and class patterns go by."""
        return self._imitated

    def __getattr__(self, name: str) -> Any:
        read = self._fields.get(name)
        if read is None:
            raise AttributeError(name)
        value = self.__dict__[name] = read(self._names, self._element)
        return value


def value_of(names: TypeNames, element: Element) -> Any:
    """A property's value, by its written type. Raises `Unfamiliar`."""
    type_name = names.of(element)
    if type_name is None:
        raise Unfamiliar
    if type_name == "ManagedObjectReference":
        return _reference(names, element)
    if type_name == "ArrayOfManagedObjectReference":
        return [_reference(names, item) for item in element]
    kind = type_named(type_name)
    if kind is not None and issubclass(kind, list):
        read = _device if kind.Item is _DEVICE else _reading(kind.Item)
        return [read(names, item) for item in element]
    if kind is not None and issubclass(kind, DataObject):
        return view_of(kind)(names, element)
    if len(element):
        raise Unfamiliar
    return scalar_of(type_name, element.text)


@lru_cache(maxsize=4096)
def view_of(kind: Any, name: str = "") -> type[View]:
    """The class of views that look like pyVmomi's `kind`, under another name where one is given."""
    fields = {info.name: _field(info) for info in kind._GetPropertyList()}
    return type(name or kind.__name__, (View,), {"_imitated": kind, "_fields": fields})


def _field(info: Any) -> Reading:
    tag = f"{{{VIM}}}{info.name}"
    if issubclass(info.type, list):
        read_item = _reading(info.type.Item)
        return lambda names, element: [read_item(names, item) for item in element.iterchildren(tag)]
    read, default = _reading(info.type), _default(info)

    def read_last(names: TypeNames, element: Element) -> Any:
        found = None
        for found in element.iterchildren(tag):  # noqa: B007  the last counts
            pass
        return default if found is None else read(names, found)

    return read_last


def _default(info: Any) -> Any:
    """What pyVmomi gives a field that is not there."""
    if info.flags & F_OPTIONAL or issubclass(info.type, Enum):
        return None
    if issubclass(info.type, str):
        return ""
    return next((zero for number, zero in _NUMBERS.items() if issubclass(info.type, number)), None)


def _reading(kind: Any) -> Reading:
    if kind is object:
        return value_of
    if issubclass(kind, ManagedObject):
        return _reference
    if issubclass(kind, DataObject):
        return lambda names, element: _object(names, element, kind)
    parse = parser_of(kind)
    return _nobody_asks if parse is None else lambda _, element: parse(element.text)


def _object(names: TypeNames, element: Element, declared: Any) -> View:
    """A data object of the written type, or else of the declared one."""
    type_name = names.of(element)
    kind = declared if type_name is None else type_named(type_name)
    if kind is None or not issubclass(kind, DataObject):
        raise Unfamiliar
    return view_of(kind)(names, element)


def _reference(_: TypeNames, element: Element) -> Reference:
    if not element.get("type") or len(element):
        raise Unfamiliar
    return Reference(element.text or "")


def _device(names: TypeNames, element: Element) -> View:
    """A virtual device. Of a type newer than we are, whatever has a MAC is a network card."""
    type_name = names.of(element)
    if type_name is None or type_named(type_name) is not None:
        return _object(names, element, _DEVICE)
    names.strange.add(type_name)
    has_mac = next(element.iterchildren(_MAC), None) is not None
    return view_of(_CARD if has_mac else _DEVICE, type_name)(names, element)


def _nobody_asks(*_: object) -> Any:
    raise Unfamiliar

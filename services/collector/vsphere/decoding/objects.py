"""The answer of RetrievePropertiesEx: objects read once, each with what of it could be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pyVmomi import vmodl

from services.collector.vsphere.decoding.documents import VIM, Element, TypeNames, Unfamiliar, parse_answer
from services.collector.vsphere.decoding.tally import Absence, Tally, absence, absence_of
from services.collector.vsphere.decoding.unfamiliar import NOT_UNDERSTOOD, whole_answer
from services.collector.vsphere.decoding.walking import Walk
from services.collector.vsphere.paths import WATCHED

_RESULT: Any = vmodl.query.PropertyCollector.RetrieveResult
_OBJECTS, _OBJ, _PROPERTY, _MISSING = (
    f"{{{VIM}}}{name}" for name in ("objects", "obj", "propSet", "missingSet")
)
_NAME, _VAL, _PATH = (f"{{{VIM}}}{name}" for name in ("name", "val", "path"))


class Found(NamedTuple):
    """An object of a watched type: its fields, the paths that were missing and why.

    `unread` are values that could not be understood, as "Type.path"; they are in neither.
    """

    type_name: str
    moid: str
    fields: Mapping[str, object]
    missing: Mapping[str, Absence]
    unread: frozenset[str]


def decode_objects(body: bytes) -> list[Found]:
    """The watched objects in the body of an answer to RetrievePropertiesEx, none where there is no result.

    Raises the fault in the body as pyVmomi's exception, and `Unreadable`.
    """
    try:
        names, response = parse_answer(body)
        if response.tag != f"{{{VIM}}}RetrievePropertiesExResponse":
            raise Unfamiliar
        result = response.find(f"{{{VIM}}}returnval")
        entries = () if result is None else result.iterchildren(_OBJECTS)
        return [found for entry in entries if (found := _found(names, entry)) is not None]
    except Unfamiliar:
        return _left_to_pyvmomi(body)


def _text(element: Element | None) -> str:
    return (element.text or "") if element is not None else ""


def _found(names: TypeNames, entry: Element) -> Found | None:
    obj = entry.find(_OBJ)
    if obj is None:
        raise Unfamiliar
    type_name = obj.get("type", "").rpartition(":")[2]
    watched = WATCHED.get(type_name)
    if watched is None:
        return None
    tally = Tally()
    walk = Walk(names, tally)
    fields: dict[str, object] = {}
    for told in entry.iterchildren(_PROPERTY):
        path, value = _text(told.find(_NAME)), told.find(_VAL)
        if path in watched.fields and value is not None:
            walk.add_value(fields, watched.fields[path], value, f"{type_name}.{path}")
    missing = {_text(absent.find(_PATH)): absence(names, absent) for absent in entry.iterchildren(_MISSING)}
    return Found(type_name, obj.text or "", fields, missing, frozenset(tally.unread))


def _left_to_pyvmomi(body: bytes) -> list[Found]:
    result = whole_answer(body, _RESULT)
    if isinstance(result, Exception):
        raise result
    entries = result.objects if result is not None else ()
    return [_translated(entry) for entry in entries if entry.obj._wsdlName in WATCHED]


def _translated(entry: Any) -> Found:
    type_name = entry.obj._wsdlName
    watched = WATCHED[type_name].fields
    fields: dict[str, object] = {}
    unread: set[str] = set()
    for told in entry.propSet or ():
        if told.name in watched:
            try:
                fields[watched[told.name].name] = watched[told.name].convert(told.val)
            except NOT_UNDERSTOOD:
                unread.add(f"{type_name}.{told.name}")
    missing = {absent.path: absence_of(absent.fault._wsdlName) for absent in entry.missingSet or ()}
    return Found(type_name, entry.obj._moId, fields, missing, frozenset(unread))

"""From an answer's XML tree to changes: the way that knows every spelling of XML."""

from __future__ import annotations

from functools import partial
from typing import Any

from services.collector.domain.changes import Action, Change
from services.collector.vsphere.decoding.documents import VIM, Element, TypeNames, Unfamiliar
from services.collector.vsphere.decoding.scalars import boolean
from services.collector.vsphere.decoding.tally import Absence, Tally, absence
from services.collector.vsphere.decoding.unfamiliar import NOT_UNDERSTOOD, one_value
from services.collector.vsphere.decoding.views import value_of
from services.collector.vsphere.partial import add_partial
from services.collector.vsphere.paths import WATCHED, Field, Watched

ACTIONS: dict[str | None, Action] = {"enter": "enter", "modify": "modify", "leave": "leave"}
ASSIGNED = frozenset({"assign", "add"})
UNSET = frozenset({"remove", "indirectRemove"})

_IN_VIM = f"{{{VIM}}}"
_KIND, _OBJ, _CHANGE_SET, _MISSING_SET = (
    _IN_VIM + name for name in ("kind", "obj", "changeSet", "missingSet")
)
_NAME, _OP, _VAL = (_IN_VIM + name for name in ("name", "op", "val"))
_FILTER, _OBJECT_SET = _IN_VIM + "filter", _IN_VIM + "objectSet"
_VERSION, _TRUNCATED, _FILTER_SET = (_IN_VIM + name for name in ("version", "truncated", "filterSet"))


class Walk:
    """Walks one answer. Raises `Unfamiliar` when its frame is not the known one."""

    def __init__(self, names: TypeNames, tally: Tally) -> None:
        self._names = names
        self._tally = tally
        self.version = ""
        self.truncated = False
        self.changes: list[Change] = []

    def update_set(self, update_set: Element) -> None:
        """A returnval of WaitForUpdatesEx."""
        for part in update_set:
            tag = part.tag
            if tag == _VERSION:
                self.version = part.text or ""
            elif tag == _TRUNCATED:
                self.truncated = boolean(part.text)
            elif tag == _FILTER_SET:
                self._filter_update(part)
            else:
                self._step_over(part)

    def _filter_update(self, update: Element) -> None:
        for part in update:
            tag = part.tag
            if tag == _OBJECT_SET:
                self.object_update(part)
            elif tag == _MISSING_SET:
                self._tally.missing_object(absence(self._names, part))
            elif tag != _FILTER:
                self._step_over(part)

    def object_update(self, entry: Element) -> None:
        """What happened to one object."""
        kind = moid = type_name = ""
        changes: list[Element] = []
        absences: list[Absence] = []
        for part in entry:
            tag = part.tag
            if tag == _CHANGE_SET:
                changes.append(part)
            elif tag == _KIND:
                kind = part.text or ""
            elif tag == _OBJ:
                moid, type_name = part.text or "", part.get("type", "").rpartition(":")[2]
            elif tag == _MISSING_SET:
                absences.append(absence(self._names, part))
            else:
                self._step_over(part)
        watched = WATCHED.get(type_name)
        if watched is None:
            return
        action = ACTIONS.get(kind)
        if action is None:
            self._tally.unread.add(f"{type_name} {kind}")
        elif action == "leave":
            self.changes.append(Change(action, watched.kind, moid, watched.type))
        else:
            fields = self._fields(type_name, watched, changes)
            self.changes.append(Change(action, watched.kind, moid, watched.type, fields))
            self._tally.object(readable=bool(changes), absences=absences)

    def _fields(self, type_name: str, watched: Watched, changes: list[Element]) -> dict[str, object]:
        fields: dict[str, object] = {}
        for change in changes:
            path, op, value = self._change(change)
            field = watched.fields.get(path)
            if field is None:
                add_partial(fields, watched, path, partial(self._part, op, value))
                continue
            if op in UNSET or (value is None and op in ASSIGNED):
                fields[field.name] = None
                continue
            if value is None or op not in ASSIGNED:
                self._tally.unread.add(f"{type_name}.{path}")
            else:
                self.add_value(fields, field, value, f"{type_name}.{path}")
        return fields

    def add_value(self, fields: dict[str, object], field: Field, element: Element, where: str) -> None:
        """Add a property's value to the fields. `where` names it in the tally: "Type.path"."""
        try:
            fields[field.name] = self._value(field, element, where)
        except NOT_UNDERSTOOD:
            # Worth a field, not a vCenter. As with a missing one, the old value stays.
            self._tally.unread.add(where)

    def _part(self, op: str, element: Element | None) -> Any:
        """The value of a place below a property, None for none. Raises one of `NOT_UNDERSTOOD`."""
        if op in UNSET or element is None:
            return None
        try:
            return value_of(self._names, element)
        except Unfamiliar:
            return one_value(element)

    def _change(self, change: Element) -> tuple[str, str, Element | None]:
        path = op = ""
        value = None
        for part in change:
            tag = part.tag
            if tag == _NAME:
                path = part.text or ""
            elif tag == _OP:
                op = part.text or ""
            elif tag == _VAL:
                value = part
            else:
                self._step_over(part)
        return path, op, value

    def _value(self, field: Field, element: Element, where: str) -> object:
        """A property's value. Raises one of `NOT_UNDERSTOOD` when pyVmomi does not understand it either."""
        try:
            value = value_of(self._names, element)
            plain = None if value is None else field.convert(value)
        except Unfamiliar:
            self._tally.strays[where] += 1
            value = one_value(element)
            plain = None if value is None else field.convert(value)
        if field.essential and value is not None:
            self._tally.essential(len(value))
        if self._names.strange:
            self._tally.unread.update(f"{where} {name}" for name in self._names.strange)
            self._names.strange.clear()
        return plain

    def _step_over(self, part: Element) -> None:
        """A newer API may tell more than we know; another namespace is another matter."""
        tag = str(part.tag)
        if not tag.startswith(_IN_VIM):
            raise Unfamiliar
        self._tally.unread.add(f"{_local(part.getparent())}.{tag.removeprefix(_IN_VIM)}")


def _local(element: Element | None) -> str:
    return "" if element is None else str(element.tag).removeprefix(_IN_VIM)

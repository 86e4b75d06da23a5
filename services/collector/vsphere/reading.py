"""From a vCenter's answer to a page of plain changes, with the signs of its health counted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pyVmomi import vim, vmodl

from services.collector.domain.changes import Action, Change, Page, Signs
from services.collector.vsphere.partial import add_partial
from services.collector.vsphere.paths import WATCHED, Watched

_ACTIONS: dict[str, Action] = {"enter": "enter", "modify": "modify", "leave": "leave"}
_UNSET = frozenset({"remove", "indirectRemove"})


class _Tally:
    """Counts of `Signs` while they grow."""

    def __init__(self) -> None:
        self.unread: set[str] = set()
        self.answered = self.blind = self.not_authenticated = self.essentials = self.hollow = 0

    def signs(self) -> Signs:
        return Signs(self.answered, self.blind, self.not_authenticated, self.essentials, self.hollow)


def read_page(update_set: Any, received_at: datetime | None = None) -> Page:
    """The answer of WaitForUpdatesEx in plain values."""
    tally = _Tally()
    changes: list[Change] = []
    for update in update_set.filterSet or ():
        for absent in update.missingSet or ():
            _count_missing(absent.fault, tally)
        for entry in update.objectSet or ():
            watched = WATCHED.get(entry.obj._wsdlName)
            if watched is not None:
                changes.append(_change(entry, watched, tally))
    return Page(
        version=update_set.version,
        truncated=bool(update_set.truncated),
        changes=tuple(changes),
        signs=tally.signs(),
        received_at=received_at or datetime.now(UTC),
        unread=frozenset(tally.unread),
    )


def _change(entry: Any, watched: Watched, tally: _Tally) -> Change:
    action = _ACTIONS[str(entry.kind)]
    moid = str(entry.obj._moId)
    if action == "leave":
        return Change(action, watched.kind, moid, watched.type)
    fields: dict[str, object] = {}
    for change in entry.changeSet or ():
        value = None if str(change.op) in _UNSET else change.val
        field = watched.fields.get(change.name)
        if field is None:
            add_partial(fields, watched, change.name, functools.partial(_same, value))
            continue
        if field.essential and value is not None:
            tally.essentials += 1
            tally.hollow += not len(value)
        try:
            fields[field.name] = None if value is None else field.convert(value)
        except (AttributeError, TypeError, ValueError, LookupError):
            # Of a shape nobody has seen: worth a field, not a vCenter. The old value stays.
            tally.unread.add(f"{entry.obj._wsdlName}.{change.name}")
    _judge_object(entry, tally)
    return Change(action, watched.kind, moid, watched.type, fields)


def _same(value: Any) -> Any:
    return value


def plain_fields(watched: Watched, values: Iterable[tuple[str, Any]]) -> dict[str, object]:
    """Fields of an object from the values of properties. What is of an unknown shape is left out."""
    fields: dict[str, object] = {}
    for path, value in values:
        field = watched.fields.get(path)
        if field is None:
            continue
        with contextlib.suppress(AttributeError, TypeError, ValueError, LookupError):
            fields[field.name] = field.convert(value)
    return fields


def _judge_object(entry: Any, tally: _Tally) -> None:
    missing = entry.missingSet or ()
    if any(isinstance(absent.fault, vmodl.fault.ManagedObjectNotFound) for absent in missing):
        return  # gone between change and answer: the next answer says so
    tally.answered += 1
    tally.blind += not entry.changeSet
    tally.not_authenticated += sum(isinstance(absent.fault, vim.fault.NotAuthenticated) for absent in missing)


def _count_missing(fault: Any, tally: _Tally) -> None:
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return
    tally.answered += 1
    tally.blind += 1
    tally.not_authenticated += isinstance(fault, vim.fault.NotAuthenticated)

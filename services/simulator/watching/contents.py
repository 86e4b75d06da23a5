"""Objects' properties as XML, in the forms that reads and updates have, and as blindness distorts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.simulator.directory import Directory
from services.simulator.soap.faults import Fault, not_authenticated
from services.simulator.soap.values import Array, Ref, Value
from services.simulator.soap.writer import any_element, element, escape
from services.simulator.watching.selection import Watchable

Operation = tuple[str, str]
"""A property path and what became of it: assign, add or remove."""


def object_content(
    directory: Directory, target: Watchable, paths: Iterable[str], mode: str | None, tag: str = "objects"
) -> str:
    """An ObjectContent."""
    parts = [f"<{tag}>", element("obj", target.ref)]
    if mode == "missing_set":
        parts.append(_missing(target.ref, paths))
    elif mode != "missing_properties":
        for path in paths:
            value = _read(directory, target, path, mode)
            if value is not None:
                parts.append(f"<propSet><name>{escape(path)}</name>{any_element('val', value)}</propSet>")
    parts.append(f"</{tag}>")
    return "".join(parts)


def object_update(
    directory: Directory,
    target: Watchable,
    kind: str,
    operations: Iterable[Operation],
    *,
    mode: str | None,
) -> str:
    """An ObjectUpdate of kind enter or modify. An enter leaves out what is unset; a modify says so."""
    parts = [f"<objectSet><kind>{kind}</kind>", element("obj", target.ref)]
    if mode == "missing_set":
        parts.append(_missing(target.ref, [path for path, _ in operations]))
    elif mode != "missing_properties":
        for path, op in operations:
            value = None if op == "remove" else _read(directory, target, path, mode)
            if value is not None or kind != "enter":
                name = escape(path)
                parts.append(
                    f"<changeSet><name>{name}</name><op>{op}</op>{any_element('val', value)}</changeSet>"
                )
    parts.append("</objectSet>")
    return "".join(parts)


def leave_update(ref: Ref) -> str:
    """The ObjectUpdate of an object that is gone from the filter."""
    return f"<objectSet><kind>leave</kind>{element('obj', ref)}</objectSet>"


def missing_object(ref: Ref, fault: Fault) -> str:
    """A MissingObject."""
    return f"<missingSet>{element('obj', ref)}{element('fault', fault.localized())}</missingSet>"


def _read(directory: Directory, target: Watchable, path: str, mode: str | None) -> Value:
    read: Callable[[Watchable], Value] = directory.getter(target, path)
    value = read(target)
    if mode == "empty_arrays" and isinstance(value, Array):
        return Array(value.item, ())
    return value


def _missing(ref: Ref, paths: Iterable[str]) -> str:
    fault = element("fault", not_authenticated(ref).localized())
    return "".join(f"<missingSet><path>{escape(path)}</path>{fault}</missingSet>" for path in paths)

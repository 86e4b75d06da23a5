"""From the vSphere Web Services JSON notation to pyVmomi's objects, which check every type on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import VmomiSupport

NAMESPACE = "urn:vim25"
TYPE = "_typeName"

_support: Any = VmomiSupport


def from_json(value: Any) -> Any:
    """The object that `value` writes down; plain values stay as they are.

    Raises ValueError for a type or field that the vSphere API does not have, TypeError for a value of another
    type than its field takes.
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    name = str(value.get(TYPE))
    try:
        kind = _support.GetWsdlType(NAMESPACE, name)
    except KeyError:
        raise ValueError(f"the vSphere API has no type {name!r}") from None
    made = kind()
    for field, content in value.items():
        if field != TYPE:
            _set(made, name, field, from_json(content))
    return made


def _set(made: Any, name: str, field: str, content: Any) -> None:
    try:
        setattr(made, field, content)
    except AttributeError:
        raise ValueError(f"{name} of the vSphere API has no field {field!r}") from None

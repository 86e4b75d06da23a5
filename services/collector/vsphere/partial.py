"""Changes that name a place below a watched property, such as `config.hardware.device[4000].macAddress`.

What is understood becomes an edit of the field; what is not makes the field stale, and the object is read
whole. vCenter sends such changes when the filter asks for partial updates, and only for lists whose elements
have a `key`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from services.collector.domain.patches import STALE, Edit, Put, Set, Stale, merged
from services.collector.vsphere import translating_networks as networks
from services.collector.vsphere.paths import Watched
from services.collector.vsphere.translating_machines import card_backing, card_label, cards, moid

_ELEMENT = re.compile(r'\[(?:(-?\d+)|"([^"]*)")\](?:\.(.+))?')
_NO_MATTER = frozenset({"deviceName", "useAutoDetect", "inPassthroughMode", "port.connectionCookie"})
"""Below a network card's backing: what no field is made of."""
_PORT = {"switchUuid": "switch_uuid", "portgroupKey": "portgroup_key", "portKey": "port_key"}
_NOT_UNDERSTOOD = (AttributeError, TypeError, ValueError, LookupError, SyntaxError)


def add_partial(fields: dict[str, object], watched: Watched, path: str, value_of: Callable[[], Any]) -> bool:
    """Add what a change of `path` means to the fields of its object.

    `value_of` gives the new value, None for one that became unset or was removed. False when `path` is not
    below anything that is watched.
    """
    found = _above(watched, path)
    if found is None:
        return False
    name = watched.fields[found].name
    try:
        edit = _edit(name, path[len(found) :], value_of())
    except _NOT_UNDERSTOOD:
        edit = STALE
    if edit is not None:
        just_unset = name in fields and fields[name] is None
        fields[name] = STALE if just_unset else merged(fields.get(name), edit)
    return True


def _above(watched: Watched, path: str) -> str | None:
    """The watched property that `path` is below."""
    for end, sign in enumerate(path):
        if sign in ".[" and path[:end] in watched.fields:
            return path[:end]
    return None


def _edit(name: str, below: str, value: Any) -> Edit | Stale | None:
    """What it comes down to; None for what no field is made of."""
    place = _ELEMENT.fullmatch(below)
    if place is None:
        return STALE
    number, text, part = place.groups()
    key = int(number) if number is not None else text
    if name == "cards" and isinstance(key, int):
        return _card(key, value) if part is None else _card_part(key, part, value)
    if name in {"pnics", "vmks"} and part is None:
        read = networks.pnics if name == "pnics" else networks.vmks
        return Put(key, read([value])[0] if value is not None else None)
    return STALE


def _card(key: int, device: Any) -> Put:
    found = cards([device]) if device is not None else ()
    return Put(key, found[0] if found else None)


def _card_part(key: int, part: str, value: Any) -> Edit | Stale | None:
    values = _values(key, part, value)
    if isinstance(values, Stale):
        return STALE
    return Set(key, tuple(values.items())) if values else None


def _values(key: int, part: str, value: Any) -> dict[str, object] | Stale:
    root, _, rest = part.partition(".")
    match root, rest:
        case "macAddress", "":
            return {"mac": value}
        case "connectable", "":
            return {"connected": bool(value.connected) if value is not None else False}
        case "connectable", "connected":
            return {"connected": bool(value)}
        case "deviceInfo", "":
            return {"label": card_label(key, value)}
        case "deviceInfo", "label":
            return {"label": value or card_label(key, None)}
        case "backing", _:
            return _backing(rest, value)
        case _:
            return {}  # a card is made of nothing else


def _backing(rest: str, value: Any) -> dict[str, object] | Stale:
    if not rest:
        return card_backing(value)._asdict()
    if rest in _NO_MATTER:
        return {}
    if rest == "network":
        return {"network": moid(value)}
    if rest == "opaqueNetworkId":
        return {"opaque_id": value}
    if rest == "port":
        return {field: getattr(value, name, None) for name, field in _PORT.items()}
    head, _, leaf = rest.rpartition(".")
    if head == "port" and leaf in _PORT:
        return {_PORT[leaf]: value}
    return STALE

"""Which events of the log a person wants to see. Pure: an envelope in, yes or no out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from shared.bus.port import LogStart
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.model.addresses import parse_address

_VM_KEYS = frozenset({"vm", "vm_moid", "vm_name"})
_OWN_VM_KEYS = frozenset({"moid", "name", "instance_uuid", "hostname"})
_ADDRESS_KEYS = frozenset({"address", "unplaced", "gateway"})
_SUBNET_KEYS = frozenset({"subnet", "subnet_name", "subnets"})
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Selection:
    """What must hold of an event to be shown; what is empty is not asked.

    `types` are type names, families ("nic" means "nic.*") or patterns; `vcenter` an id; `vm` an id, managed
    object id or name; `subnet` an id or name; `address` in canonical text.
    """

    types: tuple[str, ...] = ()
    vcenter: str | None = None
    vm: str | None = None
    subnet: str | None = None
    address: str | None = None

    def wants(self, envelope: Envelope[Event]) -> bool:
        """Does `envelope` fit every criterion?"""
        if self.types and not any(_type_fits(envelope.type, pattern) for pattern in self.types):
            return False
        if self.vcenter is not None and str(envelope.vcenter) != self.vcenter:
            return False
        data = envelope.data.model_dump(mode="json")
        return (
            (self.vm is None or self.vm in _vm_words(envelope.type, data))
            and (self.subnet is None or self.subnet in _subnet_words(envelope.type, data))
            and (self.address is None or self.address in _found(data, _ADDRESS_KEYS))
        )


def _type_fits(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def _vm_words(name: str, data: dict[str, Any]) -> set[str]:
    words = set(_found(data, _VM_KEYS))
    if name.startswith(("inventory.vm.", "guest.", "vm.create.")):
        words |= {str(value) for key, value in data.items() if key in _OWN_VM_KEYS}
    return words


def _subnet_words(name: str, data: dict[str, Any]) -> set[str]:
    words = set(_found(data, _SUBNET_KEYS))
    facts = data.get("subnet")
    if name.startswith("subnet.") and isinstance(facts, dict):
        words |= {str(facts.get("id")), str(facts.get("name"))}
    return words


def _found(data: object, keys: frozenset[str]) -> Iterator[str]:
    """Text values under any of `keys`, however deep."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key in keys:
                yield from (str(v) for v in (value if isinstance(value, list) else [value]))
            yield from _found(value, keys)
    elif isinstance(data, list):
        for item in data:
            yield from _found(item, keys)


def canonical_address(text: str) -> str:
    """`text` as events carry it. Raises ValueError."""
    return str(parse_address(text))


def start_of(begin: str | None, since: str | None, now: datetime) -> LogStart:
    """Where to begin reading the log: `begin` is first, last, next or an offset, `since` a span or a time.

    Raises ValueError with what would be right.
    """
    if begin is not None and since is not None:
        raise ValueError("give --from or --since, not both")
    if since is not None:
        return point_in_time(since, now)
    if begin is None or begin == "next":
        return "next"
    if begin in {"first", "last"}:
        return "first" if begin == "first" else "last"
    if begin.isdecimal():
        return int(begin)
    raise ValueError(f"{begin!r} is no place in the log; give first, last, next or an offset")


def point_in_time(text: str, now: datetime) -> datetime:
    """The time that `text` means: "10m" before now (s, m, h, d; "1h 30m" adds up), or ISO 8601.

    A time without a zone is read as UTC. Raises ValueError.
    """
    compact = text.strip().lower()
    parts = _DURATION.findall(compact)
    if parts and not _DURATION.sub("", compact).strip():
        return now - timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a duration like 10m nor a time like 2026-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

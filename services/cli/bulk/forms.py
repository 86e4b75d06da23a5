"""What an entry of each kind has: its fields, how each is written, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from services.cli.requests import faults_of
from services.cli.subnets import address_range, route
from shared.events.subnet import SubnetFacts
from shared.model.addresses import parse_address, parse_prefix
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.model.mac import canonical_mac

Kind = Literal["subnet", "reserved", "binding", "fix"]
Value = str | int | bool | tuple[str, ...]
Shape = Literal["text", "number", "switch", "list"]


@dataclass(frozen=True, slots=True)
class Form:
    """A field: how it is written, and its one spelling. `read` raises ValueError with what is wrong."""

    shape: Shape
    read: Callable[[str], Value] = str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is to hold. `line`: where a file says so, from 1; 0 for what is known already."""

    kind: Kind
    values: Mapping[str, Value]
    line: int = field(default=0, compare=False)

    @property
    def key(self) -> tuple[str, ...]:
        """What it is about: two entries with one key speak of the same thing."""
        return (self.kind, *(str(self.values.get(name, DEFAULT_SCOPE_NAME)) for name in KEYS[self.kind]))

    @property
    def name(self) -> str:
        """What it is about, for people."""
        words = [str(self.values[name]) for name in KEYS[self.kind] if name != "scope"]
        scope = self.values.get("scope", DEFAULT_SCOPE_NAME)
        return " ".join(words) + ("" if scope == DEFAULT_SCOPE_NAME else f" (scope {scope})")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file."""

    line: int
    message: str


def _address(text: str) -> str:
    return str(parse_address(text))


def _range(text: str) -> str:
    found = address_range(text)
    return found.first if found.first == found.last else f"{found.first}-{found.last}"


def _route(text: str) -> str:
    found = route(text)
    return f"{found.to}={found.via}"


def _label(text: str) -> str:
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not key:
        raise ValueError(f"{text!r} is no label; write it like site=berlin")
    return f"{key}={value}"


def _moment(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it like 2026-12-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it like 2026-12-31T12:00:00Z")
    return found.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _fact(name: str) -> Callable[[str], Value]:
    """A field of a subnet that its model judges."""
    info = SubnetFacts.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())

    def read(text: str) -> Value:
        try:
            value: Value = adapter.validate_python(text)
        except ValidationError as error:
            raise ValueError(faults_of(error)) from None
        return value

    return read


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


def _switch(text: str) -> bool:
    if text.lower() not in {"true", "false", "yes", "no"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "yes"}


FORMS: Mapping[Kind, Mapping[str, Form]] = MappingProxyType(
    {
        "subnet": {
            "scope": Form("text"),
            "name": Form("text", required=True),
            "prefix": Form("text", lambda text: str(parse_prefix(text)), required=True),
            "wire": Form("text", required=True),
            "ranges": Form("list", _range),
            "gateway": Form("text", _address),
            "dns": Form("list", _address),
            "domain": Form("text"),
            "ntp": Form("list"),
            "mtu": Form("number", _number),
            "vlan": Form("number", _number),
            "routes": Form("list", _route),
            "auto_allocate": Form("switch", _switch),
            "allocation_order": Form("text", _fact("allocation_order")),
            "cooldown_seconds": Form("number", _number),
            "labels": Form("list", _label),
        },
        "reserved": {
            "scope": Form("text"),
            "addresses": Form("text", _range, required=True),
            "note": Form("text"),
            "until": Form("text", _moment),
        },
        "binding": {
            "scope": Form("text"),
            "address": Form("text", _address, required=True),
            "mac": Form("text", canonical_mac, required=True),
            "note": Form("text"),
        },
        "fix": {
            "vm": Form("text", required=True),
            "nic": Form("number", _number, required=True),
            "fixed": Form("list", _address, required=True),
        },
    }
)
KEYS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "subnet": ("scope", "name"),
        "reserved": ("scope", "addresses"),
        "binding": ("scope", "address"),
        "fix": ("vm", "nic"),
    }
)
SECTIONS: Mapping[str, Kind] = MappingProxyType(
    {"subnets": "subnet", "reserved": "reserved", "bindings": "binding", "fixes": "fix"}
)
"""What a YAML file calls the entries of each kind."""


def read_entry(kind: Kind, raw: Mapping[str, Any], line: int, problems: list[Problem]) -> Entry | None:
    """The entry in texts and lists of texts; what is wrong with it is added to `problems`."""
    forms, before = FORMS[kind], len(problems)
    values: dict[str, Value] = {}
    for name in raw:
        if name not in forms:
            known = ", ".join(forms)
            problems.append(Problem(line, f"a {kind} has no field {name!r}; it has {known}"))
    for name, form in forms.items():
        given = raw.get(name)
        if given is None or given in ("", []):
            if form.required:
                problems.append(Problem(line, f"the {kind} has no {name}"))
            continue
        try:
            values[name] = _read(form, given)
        except ValueError as error:
            problems.append(Problem(line, f"{name}: {error}"))
    return Entry(kind, values, line) if len(problems) == before else None


def _read(form: Form, given: Any) -> Value:
    if form.shape == "list":
        items = given if isinstance(given, list) else [given]
        return tuple(str(form.read(_text(item))) for item in items)
    if isinstance(given, list):
        raise ValueError("takes one value, not a list")  # noqa: TRY004  a mistake in a file
    return form.read(_text(given))


def _text(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, datetime):
        return given.isoformat()
    if isinstance(given, dict | list):
        raise ValueError("takes one value")  # noqa: TRY004  as above
    return str(given)

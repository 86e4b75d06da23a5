"""Between envelopes and bytes. What can't be read is an `Unreadable` with a reason, never a crash (G8)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import SchemaValidator

from shared.events.base import Event
from shared.events.envelope import Envelope, envelope_of, schema_urn
from shared.events.registry import REGISTRY, TYPES
from shared.events.upcasts import UPCASTS

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A larger body is refused on both sides: RabbitMQ 3.10 would take it, its 4.x default of 16 MiB would too,
but one such message holds up everybody behind it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A field that is not as its schema says: where, what was expected, and what stands there."""

    field: str
    expected: str
    found: str


class Unreadable(Exception):
    """A message body that is no event of ours. `reason` is a stable word, `detail` names the guilty field.

    `faults` are all fields that differ from the schema, where it is known.
    """

    def __init__(self, reason: str, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.faults = tuple(faults)


def encode(envelope: Envelope[Event]) -> bytes:
    """The envelope as structured-mode JSON. Raises `Unreadable` ("oversized") above `MAX_BODY_BYTES`."""
    body = envelope.__pydantic_serializer__.to_json(envelope, exclude_none=True)
    if len(body) > MAX_BODY_BYTES:
        raise Unreadable(
            "oversized", f"{envelope.type} {envelope.subject}: {len(body)} bytes, limit {MAX_BODY_BYTES}"
        )
    return body


def decode(body: bytes) -> Envelope[Event]:
    """The envelope in `body`. A message of an older version comes as the newest that it can be lifted to.

    Raises `Unreadable` with reason "oversized", "broken_body", "unknown_type", "unknown_version" or
    "invalid_data"; the detail of the last names each guilty field.
    """
    if len(body) > MAX_BODY_BYTES:
        raise Unreadable("oversized", f"{len(body)} bytes, limit {MAX_BODY_BYTES}")
    return _as_it_looks(body) or _after_a_look_inside(body)


_DATASCHEMA = re.compile(rb'"dataschema": ?"([^"\\]+)"')
_MODELS = {schema_urn(model).encode(): model for model in REGISTRY.values()}


def _as_it_looks(body: bytes) -> Envelope[Event] | None:
    """The envelope, read at once by the model that `body` seems to be made for; None: it takes a closer look.

    What the body seems to say, and what it says once read, must be the same.
    """
    found = _DATASCHEMA.search(body)
    model = None if found is None else _MODELS.get(found[1])
    if model is None:
        return None
    try:
        envelope = _read(model, body)
    except ValidationError:
        return None
    return envelope if envelope.type == model.TYPE and envelope.dataschema == schema_urn(model) else None


def _after_a_look_inside(body: bytes) -> Envelope[Event]:
    """As `decode`, by what type and version stand in the body, and with the reason where it can't be read."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_body", f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Unreadable("broken_body", f"not a JSON object but {type(raw).__name__}")
    name, version = _version_of(raw.get("type"), raw.get("dataschema"))
    if (name, version) in UPCASTS:
        version = _lift(raw, name, version)
        body = json.dumps(raw).encode()
    try:
        return _read(_model_of(name, version), body)
    except ValidationError as error:
        faults = _faults(error)
        named = "; ".join(f"{fault.field}: {fault.expected}" for fault in faults[:20])
        raise Unreadable("invalid_data", named, faults) from None


def _read(model: type[Event], body: bytes) -> Envelope[Event]:
    return cast("Envelope[Event]", _validator_of(model).validate_json(body))


@cache
def _validator_of(model: type[Event]) -> SchemaValidator:
    validator = envelope_of(model).__pydantic_validator__
    assert isinstance(validator, SchemaValidator)  # noqa: S101  a stand-in only until a model is complete
    return validator


def _faults(error: ValidationError) -> list[Fault]:
    return [
        Fault(
            field=".".join(map(str, fault["loc"])) or "envelope",
            expected=fault["msg"],
            found="nothing" if fault["type"] == "missing" else _shortened(repr(fault["input"])),
        )
        for fault in error.errors(include_url=False)
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _version_of(name: object, schema: object) -> tuple[str, int]:
    if not isinstance(name, str) or name not in TYPES:
        raise Unreadable("unknown_type", f"type is {name!r}")
    prefix, _, version = str(schema).rpartition(":")
    if prefix != f"urn:patchbay:event:{name}" or not version.isdecimal():
        raise Unreadable(
            "unknown_version", f"dataschema is {schema!r}, expected urn:patchbay:event:{name}:<version>"
        )
    return name, int(version)


def _lift(raw: dict[str, Any], name: str, version: int) -> int:
    """Let `raw` be of the newest version that it can be lifted to, and return that."""
    while (upcast := UPCASTS.get((name, version))) is not None:
        try:
            raw["data"] = upcast(raw["data"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable(
                "invalid_data", f"data of version {version} can't be lifted to {version + 1}: {error!r}"
            ) from None
        version += 1
    raw["dataschema"] = f"urn:patchbay:event:{name}:{version}"
    return version


def _model_of(name: str, version: int) -> type[Event]:
    model = REGISTRY.get((name, version))
    if model is None:
        known = sorted(v for n, v in {*REGISTRY, *UPCASTS} if n == name)
        raise Unreadable("unknown_version", f"{name} version {version}; this release reads {known}")
    return model

"""Between envelopes and bytes. What can't be read is an `Unreadable` with a reason, never a crash (G8)."""

from __future__ import annotations

import json

from pydantic import ValidationError

from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.registry import REGISTRY, TYPES

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A larger body is refused on both sides: RabbitMQ 3.10 would take it, its 4.x default of 16 MiB would too,
but one such message holds up everybody behind it."""


class Unreadable(Exception):
    """A message body that is no event of ours. `reason` is a stable word, `detail` names the guilty field."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def encode(envelope: Envelope[Event]) -> bytes:
    """The envelope as structured-mode JSON. Raises `Unreadable` ("oversized") above `MAX_BODY_BYTES`."""
    body = envelope.model_dump_json(exclude_none=True).encode()
    if len(body) > MAX_BODY_BYTES:
        raise Unreadable(
            "oversized", f"{envelope.type} {envelope.subject}: {len(body)} bytes, limit {MAX_BODY_BYTES}"
        )
    return body


def decode(body: bytes) -> Envelope[Event]:
    """The envelope in `body`.

    Raises `Unreadable` with reason "oversized", "broken_body", "unknown_type", "unknown_version" or
    "invalid_data"; the detail of the last names each guilty field.
    """
    if len(body) > MAX_BODY_BYTES:
        raise Unreadable("oversized", f"{len(body)} bytes, limit {MAX_BODY_BYTES}")
    try:
        raw = json.loads(body)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Unreadable("broken_body", f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Unreadable("broken_body", f"not a JSON object but {type(raw).__name__}")
    model = _model_of(raw.get("type"), raw.get("dataschema"))
    try:
        return Envelope[model].model_validate_json(body)  # type: ignore[valid-type]
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'envelope'}: {fault['msg']}"
            for fault in error.errors(include_url=False)[:20]
        )
        raise Unreadable("invalid_data", faults) from None


def _model_of(name: object, schema: object) -> type[Event]:
    if not isinstance(name, str) or name not in TYPES:
        raise Unreadable("unknown_type", f"type is {name!r}")
    prefix, _, version = str(schema).rpartition(":")
    if prefix != f"urn:patchbay:event:{name}" or not version.isdecimal():
        raise Unreadable(
            "unknown_version", f"dataschema is {schema!r}, expected urn:patchbay:event:{name}:<version>"
        )
    model = REGISTRY.get((name, int(version)))
    if model is None:
        known = sorted(v for n, v in REGISTRY if n == name)
        raise Unreadable("unknown_version", f"{name} version {version}; this release reads {known}")
    return model

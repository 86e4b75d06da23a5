"""W3C trace context of events, made of their ids: an event said again is the same span of the same trace.

A trace begins with the event that nothing led to: a vCenter's change, a request, a command. What follows from
it carries its trace id on, with a span id of its own; a span's parent is the event named by `causationid`.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
SAMPLED = "01"


def traceparent_of(identity: str, led_by: str | None = None) -> str:
    """The `traceparent` of the event `identity`; `led_by` is that of the event that led to it."""
    digits = _digits(identity)
    trace = digits
    if led_by is not None and (found := _TRACEPARENT.match(led_by)):
        trace = found[1]
    return f"00-{trace}-{digits[16:]}-{SAMPLED}"


def trace_id(traceparent: str | None, identity: str) -> str:
    """The trace that an event belongs to; one that says nothing of it begins its own."""
    found = None if traceparent is None else _TRACEPARENT.match(traceparent)
    return _digits(identity) if found is None else found[1]


def span_id(identity: str) -> str:
    """The span id of an event of ours."""
    return _digits(identity)[16:]


def _digits(identity: str) -> str:
    if _UUID.match(identity):
        return identity.replace("-", "")
    return blake2b(identity.encode(), digest_size=16).hexdigest()

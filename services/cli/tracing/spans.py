"""A chain as spans in OTLP's JSON, which any OpenTelemetry collector takes at /v1/traces. Pure.

The file format needs no library. Ids are those that `traceparent` carries; a span lasts from its cause's
place in the log to its own, and begins and ends at once where nothing led to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.cli.tracing.chains import Hop
from shared.events.tracing import span_id, trace_id

PRODUCER = 4
"""SPAN_KIND_PRODUCER."""


def as_otlp(hops: Iterable[Hop]) -> dict[str, Any]:
    """The spans by service, as one export request."""
    by_id = {hop.id: hop for hop in hops}
    services: dict[str, list[dict[str, Any]]] = {}
    for hop in sorted(by_id.values(), key=lambda each: each.offset):
        services.setdefault(_service(hop), []).append(_span(hop, by_id.get(hop.cause or "")))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_text("service.name", f"patchbay-{name}")]},
                "scopeSpans": [{"scope": {"name": "patchbay.events"}, "spans": spans}],
            }
            for name, spans in services.items()
        ]
    }


def _span(hop: Hop, cause: Hop | None) -> dict[str, Any]:
    began = hop.logged if cause is None else min(cause.logged, hop.logged)
    same = cause is not None and _trace(cause) == _trace(hop)
    span: dict[str, Any] = {
        "traceId": _trace(hop),
        "spanId": span_id(hop.id),
        "name": hop.type,
        "kind": PRODUCER,
        "startTimeUnixNano": _nanoseconds(began),
        "endTimeUnixNano": _nanoseconds(hop.logged),
        "attributes": [
            _text("messaging.system", "patchbay"),
            _text("cloudevents.event_id", hop.id),
            _text("cloudevents.event_subject", hop.subject),
            _text("patchbay.said", hop.said),
        ],
    }
    if cause is not None and same:
        span["parentSpanId"] = span_id(cause.id)
    elif cause is not None:
        span["links"] = [{"traceId": _trace(cause), "spanId": span_id(cause.id)}]
    return span


def _trace(hop: Hop) -> str:
    return trace_id(hop.traceparent, hop.id)


def _service(hop: Hop) -> str:
    parts = hop.source.strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "patchbay" else "other"


def _nanoseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1_000_000) * 1000)


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}

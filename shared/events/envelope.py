"""The envelope: CloudEvents 1.0 in structured JSON mode.

`dataschema` names type and version as `urn:patchbay:event:<type>:<version>`. Extension attributes are
`correlationid` (the conversation), `causationid` (the id of the event that led to this one), `vcenter`,
`traceparent`, `replayed` (set on events that an operator plays again) and `origin` (of commands).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Generic, Literal, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from shared.events.base import Event, Timestamp
from shared.events.tracing import traceparent_of
from shared.model.identifiers import derive

CONTENT_TYPE = "application/cloudevents+json"
E_co = TypeVar("E_co", bound=Event, covariant=True)
E = TypeVar("E", bound=Event)


class Envelope(BaseModel, Generic[E_co]):
    """An event on its way: who said it, when, about what, and the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    """`/patchbay/<service>` or `/patchbay/<service>/<vcenter>`."""
    type: str
    time: Timestamp
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    correlationid: str | None = None
    causationid: str | None = None
    vcenter: UUID | None = None
    traceparent: str | None = None
    replayed: str | None = None
    origin: str | None = None
    """Of a command: the program and account that gave it, as "patchbay/1.0 anna@admin-1"."""
    data: E_co

    @property
    def routing_key(self) -> str:
        """`<type>.<vcenter or ->.<subnet or ->`: bind `nic.#`, `#.<vcenter>.*` or `nic.*.*.<subnet>`."""
        return routing_key(self.data)


@cache
def envelope_of(event: type[E]) -> type[Envelope[E]]:
    """The model of envelopes around events of this type."""
    # The class is known only now; pydantic makes one model per event type.
    return Envelope.__class_getitem__(event)  # type: ignore[return-value]


def schema_urn(event: type[Event] | Event) -> str:
    """The `dataschema` of an event."""
    return f"urn:patchbay:event:{event.TYPE}:{event.VERSION}"


def routing_key(event: Event) -> str:
    """Routing key of an event, see `Envelope.routing_key`."""
    return f"{event.TYPE}.{event.vcenter_of() or '-'}.{event.subnet_of() or '-'}"


def wrap(
    event: E,
    *,
    source: str,
    time: datetime,
    id: str | None = None,  # noqa: A002  the attribute's name in CloudEvents
    cause: Envelope[Event] | None = None,
    correlation: str | None = None,
    origin: str | None = None,
) -> Envelope[E]:
    """Put `event` into an envelope.

    `source` is the service's short name ("allocator"). `time` is when the fact was observed, not when it is
    sent. `id` is random unless given: give one wherever the same fact can be said twice (see `event_id`).
    `cause` is the envelope that led to this event; its correlation is carried on.
    """
    vcenter = event.vcenter_of()
    identity = id or str(uuid4())
    return envelope_of(type(event))(
        id=identity,
        source=f"/patchbay/{source}" + (f"/{vcenter}" if vcenter else ""),
        type=event.TYPE,
        time=time,
        subject=event.subject_of(),
        dataschema=schema_urn(event),
        correlationid=correlation or ((cause.correlationid or cause.id) if cause else None),
        causationid=cause.id if cause else None,
        traceparent=traceparent_of(identity, _led_by(cause)),
        vcenter=vcenter,
        origin=origin,
        data=event,
    )


def _led_by(cause: Envelope[Event] | None) -> str | None:
    return None if cause is None else cause.traceparent or traceparent_of(cause.id)


def event_id(event: Event, *parts: object) -> str:
    """A deterministic event id: the same type about the same `parts` always has the same one."""
    return str(derive("event", event.TYPE, event.VERSION, *parts))

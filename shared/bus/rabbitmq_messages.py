"""Messages as AMQP properties and headers, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pamqp.commands import Basic
from pamqp.common import FieldTable

from shared.bus.port import (
    DETAIL_HEADER,
    QUEUE_HEADER,
    REASON_HEADER,
    TIME_HEADER,
    DeadLetter,
    Death,
    HeaderValue,
    Message,
)
from shared.bus.rabbitmq_arrivals import Arrived

SUBJECT_HEADER = "cloudEvents_subject"
"""AMQP 0-9-1 has no property for a subject."""

MILLISECONDS_HEADER = "timestamp_in_ms"
"""When it was published. AMQP's own property knows seconds only; RabbitMQ itself uses this name for it."""

SHORT_BYTES = 255
"""How long a property may be in AMQP. A correlation that a requester made up may be longer."""

DIRECT_REPLY = "amq.rabbitmq.reply-to."
"""Pseudo queues of requesters that use RabbitMQ's direct reply-to. The broker returns mandatory messages to
them as unroutable although it delivers them, so these alone are published without."""

OFFSET_HEADER = "x-stream-offset"
RETURNS_HEADER = "x-delivery-count"

_OURS = frozenset({SUBJECT_HEADER, MILLISECONDS_HEADER})
_WHY_DEAD = (REASON_HEADER, DETAIL_HEADER, QUEUE_HEADER, TIME_HEADER)
_OF_THE_BROKER = frozenset(
    {
        OFFSET_HEADER,
        RETURNS_HEADER,
        "x-acquired-count",
        "x-death",
        *(
            f"x-{which}-death-{what}"
            for which in ("first", "last")
            for what in ("exchange", "queue", "reason")
        ),
    }
)
_NOT_THE_PUBLISHERS = _OURS | _OF_THE_BROKER


def properties_of(message: Message, now: datetime) -> Basic.Properties:
    """Properties of a persistent message published `now`."""
    headers: FieldTable = {**message.headers, MILLISECONDS_HEADER: milliseconds(now)}
    if message.subject:
        headers[SUBJECT_HEADER] = message.subject
    return Basic.Properties(
        content_type=message.content_type,
        headers=headers,
        delivery_mode=2,
        correlation_id=cut_short(message.correlation_id or "") or None,
        reply_to=cut_short(message.reply_to or "") or None,
        message_id=cut_short(message.message_id),
        timestamp=now,
        message_type=cut_short(message.type) or None,
    )


def is_mandatory(exchange: str, routing_key: str) -> bool:
    """Whether to publish so that the broker tells of a message that no queue takes."""
    return bool(exchange) or not routing_key.startswith(DIRECT_REPLY)


def milliseconds(now: datetime) -> int:
    """Since 1970, as `MILLISECONDS_HEADER` has it."""
    return int(now.timestamp() * 1000)


def cut_short(text: str) -> str:
    """As much of a text as a property can hold: the body of an event has all of it."""
    raw = text.encode()
    return text if len(raw) <= SHORT_BYTES else raw[:SHORT_BYTES].decode(errors="ignore")


def message_of(arrived: Arrived) -> Message:
    """The message as it was published; a dead letter says in its headers why it is one."""
    properties, raw = arrived.properties, arrived.headers
    headers: dict[str, HeaderValue] = {
        name: value
        for name, value in raw.items()
        if name not in _NOT_THE_PUBLISHERS and isinstance(value, (str, int))  # bool is an int
    }
    if "x-death" in raw and REASON_HEADER not in raw:
        headers |= _broker_says(raw)
    return Message(
        body=arrived.body,
        routing_key=arrived.routing_key,
        message_id=properties.get("message_id", ""),
        type=properties.get("message_type", ""),
        subject=str(raw.get(SUBJECT_HEADER, "")),
        content_type=properties.get("content_type") or "application/octet-stream",
        correlation_id=properties.get("correlation_id"),
        reply_to=properties.get("reply_to"),
        headers=headers,
    )


def attempt_of(arrived: Arrived) -> int:
    """Which delivery of the message this is, from 1. A queue that does not count knows only 1 and "later"."""
    returns = arrived.headers.get(RETURNS_HEADER)
    if isinstance(returns, int):
        return returns + 1
    return 2 if arrived.redelivered else 1


def published_at(arrived: Arrived) -> datetime | None:
    """When it was published, by the publisher's clock. None when the publisher did not say."""
    milliseconds = arrived.headers.get(MILLISECONDS_HEADER)
    if isinstance(milliseconds, int):
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    stamp = arrived.properties.get("timestamp")
    if stamp is None:
        return None
    return stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)


def offset_of(arrived: Arrived) -> int:
    """Offset in the stream it was read from."""
    offset = arrived.headers[OFFSET_HEADER]
    if not isinstance(offset, int):
        raise TypeError(f"stream offset is {offset!r}")
    return offset


def why_dead(reason: str, detail: str, queue: str, now: datetime) -> dict[str, HeaderValue]:
    """Headers of a message that a consumer sends to the dead-letter exchange."""
    # Headers are part of a frame that the broker limits to 128 KiB; a traceback may be longer.
    return dict(zip(_WHY_DEAD, (reason, detail[:8000], queue, now.isoformat()), strict=True))


def dead_letter_of(arrived: Arrived) -> DeadLetter:
    """A message of the dead-letter queue, with the reason in words whoever put it there."""
    message = message_of(arrived)
    headers = dict(message.headers)
    reason, detail, queue, since = (str(headers.pop(name, "")) for name in _WHY_DEAD)
    bare = replace(message, headers=headers)
    dead_since = datetime.fromisoformat(since) if since else None
    return DeadLetter(bare, reason, detail, queue, dead_since, _deaths(arrived.headers))


def _deaths(raw: Mapping[str, object]) -> tuple[Death, ...]:
    """What the broker says in `x-death`, which only its own dead-lettering writes."""
    told = raw.get("x-death")
    deaths = []
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            time, count = each.get("time"), each.get("count")
            deaths.append(
                Death(
                    queue=str(each.get("queue", "")),
                    reason=str(each.get("reason", "")),
                    count=count if isinstance(count, int) else 1,
                    first=time.replace(tzinfo=time.tzinfo or UTC) if isinstance(time, datetime) else None,
                )
            )
    return tuple(deaths)


def _broker_says(raw: Mapping[str, object]) -> dict[str, HeaderValue]:
    """Why the broker dead-lettered it, in the headers that our consumers would have written."""
    deaths = raw["x-death"]
    latest = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    reason = str(latest.get("reason", raw.get("x-first-death-reason", "")))
    said: dict[str, HeaderValue] = {
        REASON_HEADER: reason,
        DETAIL_HEADER: f"the broker dead-lettered it: {reason}",
        QUEUE_HEADER: str(latest.get("queue", raw.get("x-first-death-queue", ""))),
    }
    if isinstance(time := latest.get("time"), datetime):
        said[TIME_HEADER] = time.replace(tzinfo=time.tzinfo or UTC).isoformat()
    return said

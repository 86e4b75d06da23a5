"""Envelopes as messages, and answers to those who asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from shared.bus.port import Bus, Message, Unroutable
from shared.events.base import Event
from shared.events.codec import encode
from shared.events.envelope import CONTENT_TYPE, Envelope
from shared.runtime.consuming import Received

log = structlog.get_logger(__name__)


def message_of(envelope: Envelope[Event]) -> Message:
    """The message that carries `envelope`; its properties repeat what one may route by without parsing.

    Raises `Unreadable` ("oversized") when the body is too large.
    """
    return Message(
        body=encode(envelope),
        routing_key=envelope.routing_key,
        message_id=envelope.id,
        type=envelope.type,
        subject=envelope.subject,
        content_type=CONTENT_TYPE,
        correlation_id=envelope.correlationid,
    )


async def publish(bus: Bus, envelopes: Sequence[Envelope[Event]]) -> None:
    """Publish events and return when all are confirmed. Raises what `Bus.publish` raises."""
    await bus.publish([message_of(envelope) for envelope in envelopes])


def reply_message(asked: Received, answer: Envelope[Event]) -> Message | None:
    """The message that takes `answer` to who asked; publish it `to_queue`. None when nobody waits for one."""
    message = asked.delivery.message
    if not message.reply_to:
        return None
    correlation = message.correlation_id or message.message_id
    return replace(message_of(answer), routing_key=message.reply_to, correlation_id=correlation)


async def reply(bus: Bus, asked: Received, answer: Envelope[Event]) -> bool:
    """Send `answer` to who asked. False when nobody waits for it, or not any more.

    Raises `PublishFailed`.
    """
    message = reply_message(asked, answer)
    if message is None:
        return False
    try:
        await bus.publish([message], to_queue=True)
    except Unroutable:
        log.info(
            "reply_unwanted", type=answer.type, subject=answer.subject, correlation=message.correlation_id
        )
        return False
    return True

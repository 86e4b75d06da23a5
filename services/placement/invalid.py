"""Requests that do not validate: refused, field by field, where it can be read who asks and for what."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from services.placement.replying import SOURCE
from shared.bus.port import Delivery, Message
from shared.events.base import Event
from shared.events.codec import Unreadable
from shared.events.envelope import event_id, wrap
from shared.events.placement import (
    Ruling,
    VmCreateBatchAnswered,
    VmCreateBatchRequested,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.runtime.publishing import message_of

FAULTS = 50
"""Mistakes named in a refusal."""


def refusal(delivery: Delivery, error: Unreadable, now: datetime) -> Message | None:
    """The answer to who sent an unreadable request; None where nobody can be told, or it was none."""
    asked = delivery.message
    answer = _answer(asked.body, error)
    if answer is None or not asked.reply_to:
        return None
    envelope = wrap(answer, source=SOURCE, time=now, id=event_id(answer, asked.message_id, "invalid"))
    correlation = asked.correlation_id or asked.message_id
    return replace(message_of(envelope), routing_key=asked.reply_to, correlation_id=correlation)


def _answer(body: bytes, error: Unreadable) -> Event | None:
    try:
        raw = json.loads(body)
        kind, data = raw["type"], raw["data"]
        batched = kind == VmCreateBatchRequested.TYPE
        identity = data["batch_id" if batched else "request_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if kind not in {VmCreateRequested.TYPE, VmCreateBatchRequested.TYPE}:
        return None
    if not isinstance(identity, str) or not 1 <= len(identity) <= 200:
        return None
    faults = _faults(VmCreateBatchRequested if batched else VmCreateRequested, data)
    faults = faults or [("envelope", f"{error.reason}: {error.detail}")]
    reason = "not a valid request: " + "; ".join(f"{field}: {message}" for field, message in faults[:5])
    if batched:
        return VmCreateBatchAnswered(batch_id=identity, mode="all_or_nothing", reason=reason)
    return VmCreateRefused(
        request_id=identity,
        reason=reason,
        rulings=tuple(
            Ruling(kind="request", id=field, name=field, rule="valid", passed=False, because=message)
            for field, message in faults
        ),
    )


def _faults(model: type[Event], data: object) -> list[tuple[str, str]]:
    """Each guilty field with what is wrong with it; values are left out."""
    try:
        model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        faults = [
            (".".join(map(str, fault["loc"])) or "request", fault["msg"].removeprefix("Value error, "))
            for fault in error.errors(include_url=False, include_input=False)
        ]
        fields = {field for field, _ in faults}
        # A list with a mistake in an item counts as empty, too: that is no mistake of its own.
        inner = {field.rpartition(".")[0] for field in fields}
        return [(field, message) for field, message in faults if field not in inner][:FAULTS]
    return []

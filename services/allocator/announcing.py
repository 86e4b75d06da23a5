"""Events that a transaction leads to, gathered and put into the outbox at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.bus.port import Message
from shared.events.base import Event
from shared.events.envelope import Envelope, event_id, wrap
from shared.runtime.publishing import message_of
from shared.store.outbox import enqueue
from shared.store.pool import Connection

SOURCE = "allocator"


class Announcements:
    """Events in the order they were added. Each has an id made of what it is about and what caused it."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._told: list[Envelope[Any]] = []

    def add(self, event: Event, *parts: object, cause: Envelope[Event], at: datetime | None = None) -> None:
        """Announce `event`; `parts` tell it from others of its type that `cause` leads to."""
        envelope: Envelope[Any] = wrap(
            event,
            source=SOURCE,
            time=at or cause.time,
            id=event_id(event, *parts, cause.id),
            cause=cause,
        )
        self._messages.append(message_of(envelope))
        self._told.append(envelope)

    def told(self) -> list[dict[str, Any]]:
        """Type, subject and data of each event, as JSON types: for somebody who only wants to look."""
        return [
            {"type": e.type, "subject": e.subject, "data": e.data.model_dump(mode="json")} for e in self._told
        ]

    def messages(self) -> Sequence[Message]:
        """What `send` will put into the outbox."""
        return tuple(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    async def send(self, conn: Connection) -> None:
        """Put them into the outbox."""
        messages: Sequence[Message] = self._messages
        await enqueue(conn, messages)
        self._messages = []
        self._told = []

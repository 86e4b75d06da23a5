"""Events and answers on their way out: through the outbox, in the transaction that they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from shared.events.base import Event
from shared.events.commands import CommandReplied, Complaint
from shared.events.envelope import Envelope, event_id, wrap
from shared.events.placement_answer import AboutReservation, VmCreatePlaced
from shared.model.identifiers import derive
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of, reply_message
from shared.store.outbox import enqueue
from shared.store.pool import Connection

SOURCE = "placement"
_E = TypeVar("_E", bound=Event)


def wrapped(event: _E, time: datetime, cause: Envelope[Event] | None, *parts: object) -> Envelope[_E]:
    """The event with the id that it has however often it is said.

    What becomes of a reservation belongs to the conversation that its answer began, whatever led to it.
    """
    return wrap(
        event,
        source=SOURCE,
        time=time,
        id=event_id(event, *parts),
        cause=cause,
        correlation=_answer_of(event),
    )


def _answer_of(event: Event) -> str | None:
    """The id of the answer that made the reservation which `event` is about."""
    if not isinstance(event, AboutReservation) or isinstance(event, VmCreatePlaced):
        return None
    return str(derive("event", VmCreatePlaced.TYPE, VmCreatePlaced.VERSION, event.request_id))


def replied(
    received: Received,
    now: datetime,
    *,
    result: dict[str, object] | None = None,
    complaint: Complaint | None = None,
) -> Envelope[CommandReplied]:
    """The answer to a command: its result, or what stood against it."""
    reply = CommandReplied(command=received.envelope.type, result=result, complaint=complaint)
    return wrap(reply, source=SOURCE, time=now, cause=received.envelope)


async def publish(conn: Connection, envelopes: Iterable[Envelope[Event]]) -> None:
    """Let events out with the transaction that they tell of."""
    messages = [message_of(envelope) for envelope in envelopes]
    if messages:
        await enqueue(conn, messages)


async def reply(conn: Connection, answers: Sequence[tuple[Received, Envelope[Event]]]) -> None:
    """Send each answer to who asked, where an address for it was given."""
    messages = [reply_message(received, envelope) for received, envelope in answers]
    wanted = [message for message in messages if message is not None]
    if wanted:
        await enqueue(conn, wanted, to_queue=True)

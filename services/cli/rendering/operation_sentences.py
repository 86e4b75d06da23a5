"""One line for each event about what operators did to messages."""

from __future__ import annotations

from services.cli.rendering.sentences import sentence
from shared.events import operations

__all__ = ["sentence"]


@sentence.register
def _(event: operations.ReplayStarted) -> str:
    where = f"queue {event.queue}" if event.queue is not None else f"file {event.to_file}"
    what = f"{event.file or 'the log'} {event.first} to {event.last}"
    return f"{event.replay}: {event.by} plays {what} into {where}"


@sentence.register
def _(event: operations.ReplayEnded) -> str:
    problem = f": {event.problem}" if event.problem else ""
    return f"{event.replay}: {event.state} at {event.next}, {event.sent} of {event.read} sent{problem}"


@sentence.register
def _(event: operations.DeadLetterRetried) -> str:
    return (
        f"{event.by} sent {event.message_type} {event.message_subject} back to {event.queue}: {event.reason}"
    )


@sentence.register
def _(event: operations.DeadLetterDropped) -> str:
    return f"{event.by} dropped {event.message_type} {event.message_subject} of {event.queue}: {event.note}"

"""What a replay may send where, and how it is marked. Pure.

A replay goes to one queue, by its name: on the exchange it would reach everybody. Commands and requests are
left out unless asked for: they were carried out once, and their outcomes are events of their own. Played into
a service again, a subnet that was deleted since would be created anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from shared.bus.port import LogEntry, Message
from shared.bus.topics import matches_words, words_of
from shared.events.topology import DEAD_LETTER_QUEUE, LOG, TOPOLOGY, Topology
from shared.runtime.errors import PermanentError

REPLAY_HEADER = "x-patchbay-replay"
"""On every replayed message: the id of the replay."""

ORIGIN_HEADER = "x-patchbay-logged"
"""When the message was first published (ISO 8601); its AMQP timestamp is that of the replay."""

KEY_HEADER = "x-patchbay-routing-key"
"""The routing key it had. It now has the queue's name, the only key that reaches one queue alone."""

REPLAYED = "replayed"
"""The CloudEvents extension that says the same in the body."""

REQUESTS = ("vm.create.requested", "vm.create.batch.requested")


def asks(name: str) -> bool:
    """Does a message of this type ask a service to do something?"""
    return name in REQUESTS or (name.startswith("command.") and name != "command.replied")


def admits(queue: str, *, with_commands: bool, topology: Topology = TOPOLOGY) -> Callable[[Message], bool]:
    """Which messages of the log `queue` gets: a service's own what it is bound to, and nothing else."""
    known = {each.name: each.bindings for each in topology.queues}.get(queue)
    patterns = None if known is None else [words_of(pattern) for pattern in known]

    @lru_cache(maxsize=4096)
    def bound(key: str) -> bool:
        words = words_of(key)
        return patterns is None or any(matches_words(pattern, words) for pattern in patterns)

    def admitted(message: Message) -> bool:
        # What was played or sent back before has the queue's name for a key, and its own beside it.
        key = str(message.headers.get(KEY_HEADER, message.routing_key))
        return (with_commands or not asks(message.type)) and bound(key)

    return admitted


def check_queue(queue: str, *, fresh: bool, exists: bool, topology: Topology = TOPOLOGY) -> None:
    """Raises `PermanentError` for a queue that may not be a replay's target: queue_forbidden, queue_unknown,
    queue_exists, queue_name.
    """
    if queue in {LOG, DEAD_LETTER_QUEUE}:
        what = "the log itself" if queue == LOG else "the dead-letter queue"
        raise PermanentError(f"{queue!r} is {what}; nothing is played into it", code="queue_forbidden")
    if not fresh:
        if not exists:
            near = get_close_matches(queue, [each.name for each in topology.queues], 2)
            raise PermanentError(
                f"there is no queue {queue!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""),
                code="queue_unknown",
                hint=f"make it with: --new-queue {queue}",
            )
        return
    if not queue.strip() or len(queue.encode()) > 255 or queue.startswith(("amq.", "temporary.")):
        raise PermanentError(
            f"{queue!r} can't be the name of a new queue",
            code="queue_name",
            hint="choose one like replay.mine",
        )
    if exists:
        raise PermanentError(
            f"there is a queue {queue!r} already", code="queue_exists", hint=f"use it with: --queue {queue}"
        )


def marked(entry: LogEntry, queue: str, replay: str) -> Message:
    """The message as a replay sends it to `queue`: id, headers and event as they were, and the marks.

    Without `reply_to`: who waited for an answer has long had one, or gone.
    """
    message = entry.message
    return replace(
        message,
        body=_marked_body(message.body, replay),
        routing_key=queue,
        reply_to=None,
        headers={
            **message.headers,
            REPLAY_HEADER: replay,
            ORIGIN_HEADER: entry.time.isoformat(),
            KEY_HEADER: message.headers.get(KEY_HEADER, message.routing_key),
        },
    )


def _marked_body(body: bytes, replay: str) -> bytes:
    """A CloudEvent with its extension; anything else as it is. The data's bytes are not written anew."""
    if not body.startswith(b'{"specversion":"1.0",') or b'"replayed":' in body:
        return body
    return body.replace(
        b'{"specversion":"1.0",', b'{"specversion":"1.0","replayed":"%s",' % replay.encode(), 1
    )

"""How much is published to RabbitMQ in one go. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shared.bus.port import Message

WINDOW = 250
WINDOW_BYTES = 1 << 20
WINDOWS_UNDER_WAY = 2
"""Two windows of 250 keep at most 500 messages unconfirmed, and the broker busy while one is awaited."""


class Pace:
    """How much to send at once.

    Of a window that a full queue refuses, all other queues and the log have a copy: tried again as a
    whole, it would fill them. So one message is tried, then two, and so on up to full windows.
    """

    def __init__(self) -> None:
        self.size = WINDOW

    @property
    def windows(self) -> int:
        """How many windows may be under way."""
        return WINDOWS_UNDER_WAY if self.size == WINDOW else 1

    def taken(self) -> None:
        """The broker took a window."""
        self.size = min(WINDOW, 2 * self.size)

    def refused(self) -> None:
        """The broker refused some of a window."""
        self.size = 1


def cut(messages: Sequence[Message], start: int, longest: int) -> range:
    """What to write next in one go: no more than `longest` messages, nor, of several, than a size."""
    stop, size = start, 0
    while stop < len(messages) and stop - start < longest:
        size += len(messages[stop].body)
        if stop > start and size > WINDOW_BYTES:
            break
        stop += 1
    return range(start, stop)

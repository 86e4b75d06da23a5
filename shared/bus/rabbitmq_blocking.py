"""Hearing of a broker that is short of memory or disk and takes nothing more from those who publish.

It says so with `connection.blocked` as soon as a connection publishes. The client library handles the
frame, and tells of it in its log and nowhere else: so we listen to that log. A test on a broker with an alarm
holds the library to it.
"""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

from aiormq.abc import AbstractConnection

from shared.bus.obstacles import BLOCKED, Obstacles

_SOURCE = "aiormq.connection"
_BLOCKED, _UNBLOCKED = "was blocked by", "was unblocked"
_ALARMS = (("memory & disk", "memory and disk alarm"), ("memory", "memory alarm"), ("disk", "disk alarm"))


def wording(reason: str) -> str:
    """The broker's reason ("low on memory") in the words of health and status."""
    alarm = next((alarm for word, alarm in _ALARMS if word in reason), reason or "an alarm")
    return f"blocked by the broker: {alarm}"


class _Listener(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.known: WeakKeyDictionary[AbstractConnection, Obstacles] = WeakKeyDictionary()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take what is for us; the rest is logged as the library's level says."""
        message, args = str(record.msg), record.args
        if isinstance(args, tuple) and args and isinstance(args[0], AbstractConnection):
            obstacles = self.known.get(args[0])
            if _BLOCKED in message:
                if obstacles is not None:
                    obstacles.arise(BLOCKED, wording(str(args[1])))
                return False
            if _UNBLOCKED in message:
                if obstacles is not None:
                    obstacles.clear(BLOCKED)
                return False
        return record.levelno >= logging.getLogger("aiormq").getEffectiveLevel()


_LISTENER = _Listener()


def listen(connection: AbstractConnection, obstacles: Obstacles) -> None:
    """Have `obstacles` know of this connection's being blocked. What was known of an earlier one is over."""
    source = logging.getLogger(_SOURCE)
    source.setLevel(logging.WARNING)  # whatever is shown: who logs errors only must hear of it, too
    if _LISTENER not in source.filters:
        source.addFilter(_LISTENER)
    obstacles.clear(BLOCKED)
    _LISTENER.known[connection] = obstacles

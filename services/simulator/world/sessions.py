"""Sessions: who is logged in, what the session made, and how it went blind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.simulator.soap.faults import invalid_argument
from services.simulator.soap.values import Data, Long

BLIND_MODES = ("fault", "missing_set", "missing_properties", "empty_arrays", "empty_results")
"""How a dead session may answer: with a NotAuthenticated fault; with that fault for every property inside
an otherwise good answer; with objects that have no properties; with every array empty; with no objects."""


class SessionObject(Protocol):
    """Something that exists only within its session: a view, a filter, a property collector."""

    moid: str

    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Session:
    """One login. `dead` is a blind mode once the session has expired that way."""

    key: str
    user: str
    login_time: datetime
    client: str
    agent: str
    dead: str | None = None
    dead_since: int = 0
    """The world's version when sight was lost."""
    last_active: datetime = field(init=False)
    seen_at: float = field(default_factory=time.monotonic)
    """When it last called, by a clock that nobody sets."""
    calls: int = 0
    objects: dict[str, SessionObject] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.last_active = self.login_time

    def close(self) -> None:
        """Give up everything the session made."""
        for made in list(self.objects.values()):
            made.close()
        self.objects.clear()

    def described(self) -> Data:
        """As a UserSession."""
        return Data(
            "UserSession",
            key=self.key,
            userName=self.user,
            fullName=self.user,
            loginTime=self.login_time,
            lastActiveTime=self.last_active,
            locale="en",
            messageLocale="en",
            extensionSession=False,
            ipAddress=self.client,
            userAgent=self.agent,
            callCount=Long(self.calls),
        )


def checked_mode(mode: str) -> str:
    """`mode` if it is a blind mode. Raises an InvalidArgument fault otherwise."""
    if mode not in BLIND_MODES:
        raise invalid_argument("mode", f"{mode!r} is none of {', '.join(BLIND_MODES)}")
    return mode

"""Chains, out of events in any order. Pure.

An event names its cause (`causationid`) and its conversation (`correlationid`, the id of the event that
began it). What becomes of a reservation is caused by a fact or a command, and belongs to the conversation
that its answer began; so a chain follows both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

MOST = 5000
"""Events of one chain, at most: a fact that released a whole network led to that many."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An event as a link of a chain. `logged`: when it came into the log; `time`: when it happened."""

    offset: int
    id: str
    type: str
    subject: str
    source: str
    time: datetime
    logged: datetime
    cause: str | None = None
    conversation: str | None = None
    traceparent: str | None = None
    said: str = ""


@dataclass
class Chain:
    """Grows by `offer` until nothing is missing."""

    wanted: set[str]
    """Ids that are looked for."""
    hops: dict[str, Hop] = field(default_factory=dict)
    conversations: set[str] = field(default_factory=set)
    truncated: bool = False

    @classmethod
    def about(cls, identity: str) -> Chain:
        """The chain around one event."""
        return cls({identity})

    def belongs(self, identity: str, cause: str | None, conversation: str | None) -> bool:
        """Whether an event is a link."""
        return (
            identity in self.wanted
            or identity in self.conversations
            or (cause is not None and cause in self.hops)
            or (
                conversation is not None and (conversation in self.conversations or conversation in self.hops)
            )
        )

    def offer(self, hop: Hop) -> bool:
        """Take a link in; False when it is known, or one too many."""
        if hop.id in self.hops:
            return False
        if len(self.hops) >= MOST:
            self.truncated = True
            return False
        self.hops[hop.id] = hop
        self.conversations.add(hop.conversation or hop.id)
        if hop.cause is not None:
            self.wanted.add(hop.cause)
        return True

    @property
    def missing(self) -> set[str]:
        """Causes that were not met yet; they stand earlier in the log, or are no longer in it."""
        return (self.wanted | self.conversations) - self.hops.keys()


@dataclass
class Link:
    """A hop with those that it led to, in the order of the log."""

    hop: Hop
    effects: list[Link] = field(default_factory=list)
    seconds: float | None = None
    """From its cause's place in the log to its own."""


def as_trees(hops: Iterable[Hop]) -> list[Link]:
    """The links under their causes, each once; those whose cause is unknown come on top."""
    links = {hop.id: Link(hop) for hop in sorted(hops, key=lambda hop: hop.offset)}
    tops: list[Link] = []
    for link in links.values():
        cause = links.get(link.hop.cause or "")
        if cause is None or _is_under(links, cause, link):
            tops.append(link)
        else:
            link.seconds = (link.hop.logged - cause.hop.logged).total_seconds()
            cause.effects.append(link)
    return tops


def _is_under(links: dict[str, Link], cause: Link, link: Link) -> bool:
    """Whether `cause` is below `link`: events of foreign senders may name each other in a circle."""
    seen: set[str] = set()
    at: Link | None = cause
    while at is not None and at.hop.id not in seen:
        if at is link:
            return True
        seen.add(at.hop.id)
        at = links.get(at.hop.cause or "")
    return False

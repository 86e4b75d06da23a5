"""Entries of the log into a state: which events are folded, and by whom.

Every type of event is one of three: a fact or decision that state follows from, or something that follows
itself from those (`FOLLOWS`). A test holds the three lists to all types there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.allocator.decisions import APPLIERS as DECISIONS
from services.allocator.decisions import decide_again, look_again
from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from services.allocator.settling import Policy
from services.placement.outcomes import APPLIED as OUTCOMES
from services.placement.outcomes import Outcomes
from shared.bus.port import LogEntry, Message
from shared.bus.topics import matches
from shared.events.base import Event
from shared.events.codec import Unreadable, decode
from shared.events.envelope import Envelope
from shared.events.registry import EVENTS
from shared.events.topology import ALLOCATOR_FACTS, TOPOLOGY
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool

BATCH = 500
"""Facts in one transaction."""
NOTED = 100
"""Skipped events that are kept for the report; the others are counted."""


def _is_fact(model: type[Event]) -> bool:
    return any(matches(pattern, f"{model.TYPE}.-.-") for pattern in TOPOLOGY.queue(ALLOCATOR_FACTS).bindings)


FACTS = frozenset(model for model in EVENTS if _is_fact(model))
"""What the allocator's queue of facts takes."""
FOLDED = FACTS | frozenset(DECISIONS) | OUTCOMES
TYPES = frozenset(model.TYPE for model in FOLDED)
"""The types to look into; all others are passed over unread."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event that could not be applied, and why."""

    offset: int | None
    id: str
    type: str
    reason: str


class Fold:
    """Folds events into the state of one database, in the order they are given."""

    def __init__(self, pool: Pool, settings: AllocatorSettings) -> None:
        self._pool = pool
        self._allocator = Allocator(pool, settings)
        self._outcomes = Outcomes(pool)
        self._facts: list[tuple[int | None, Envelope[Event]]] = []
        self.latest: Envelope[Any] | None = None
        """The last event that was folded."""
        self.counts: Counter[str] = Counter()
        self.skipped: list[Skipped] = []
        self.skips = 0

    @property
    def policy(self) -> Policy:
        """What is settled by."""
        return self._allocator.policy

    async def take(self, entries: Sequence[LogEntry]) -> None:
        """Fold entries of the log."""
        await self.fold([(entry.offset, entry.message) for entry in entries])

    async def fold(self, messages: Sequence[tuple[int | None, Message]]) -> None:
        """Fold messages, each with its place in the log if it has one; all is written on return."""
        for offset, message in messages:
            if message.type and message.type not in TYPES:
                continue
            try:
                envelope = decode(message.body)
            except Unreadable as error:
                self._skip(offset, message.message_id, message.type, str(error))
                continue
            await self._one(offset, envelope)
        await self._flush()

    async def _one(self, offset: int | None, envelope: Envelope[Any]) -> None:
        model = type(envelope.data)
        if model in FOLDED:
            self.counts[envelope.type] += 1
            self.latest = envelope
        if model in DECISIONS or model in OUTCOMES:
            await self._flush()
            try:
                await self._decided(envelope, model)
            except PermanentError as error:
                self._skip(offset, envelope.id, envelope.type, str(error))
        if model in FACTS:
            self._facts.append((offset, envelope))
            if len(self._facts) >= BATCH:
                await self._flush()

    async def _decided(self, envelope: Envelope[Any], model: type[Event]) -> None:
        if model in OUTCOMES:
            touched = await self._outcomes.apply(envelope)
            if touched.addresses:
                await look_again(self._pool, touched.addresses, envelope, self._allocator.policy)
        if model in DECISIONS:
            await decide_again(self._pool, envelope, self._allocator.policy)

    async def _flush(self) -> None:
        facts, self._facts = self._facts, []
        if not facts:
            return
        try:
            await self._allocator.apply([envelope for _, envelope in facts])
        except PermanentError:
            for offset, envelope in facts:
                try:
                    await self._allocator.apply([envelope])
                except PermanentError as error:
                    self._skip(offset, envelope.id, envelope.type, str(error))

    def _skip(self, offset: int | None, identity: str, kind: str, reason: str) -> None:
        self.skips += 1
        if len(self.skipped) < NOTED:
            self.skipped.append(Skipped(offset, identity, kind, reason))

"""Sending dead letters back to the queue they came from, or dropping them; each told on the bus, one by one.

Sent back, a letter is first confirmed in its queue, then told about, then taken out of the dead letters: cut
off anywhere, it is in one of the two places, at worst in both, with the same id.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, TypeAlias

from shared.bus.port import (
    DETAIL_HEADER,
    QUEUE_HEADER,
    REASON_HEADER,
    TIME_HEADER,
    Bus,
    Consumer,
    DeadLetter,
    Delivery,
    Message,
    Unroutable,
)
from shared.events.base import Event
from shared.events.envelope import Envelope, event_id, wrap
from shared.events.operations import DeadLetterDropped, DeadLetterRetried
from shared.events.topology import DEAD_LETTER_QUEUE
from shared.replay.rules import KEY_HEADER
from shared.runtime.publishing import publish

RETRIED_HEADER = "x-patchbay-retried"
"""How often an operator sent the message back."""

WINDOW = 250
HELD = 60_000
"""Dead letters looked through at once: a channel holds 65,535 unacknowledged ones at most."""

SILENCE_SECONDS = 10.0
"""The count of a queue may be a little old; when nothing comes for so long, there is nothing more."""

_WHY = (REASON_HEADER, DETAIL_HEADER, QUEUE_HEADER, TIME_HEADER)

Outcome: TypeAlias = DeadLetterRetried | DeadLetterDropped
Pair: TypeAlias = tuple[Delivery, DeadLetter]
Wanted = Callable[[DeadLetter], bool]
Watch = Callable[[int, int], None]
"""Is told how many letters were looked at, and how many were wanted."""


@dataclass
class Settled:
    """Letters that were sent back or dropped; and those that stay, with the reason."""

    letters: list[DeadLetter] = field(default_factory=list)
    kept: list[tuple[DeadLetter, str]] = field(default_factory=list)


def key_of(letter: DeadLetter) -> str:
    """What a person calls it by: its message's id, or where that has none, a piece of its body's digest."""
    return letter.message.message_id or f"body-{digest(letter)[:12]}"


def digest(letter: DeadLetter) -> str:
    """SHA-256 of the body, in hexadecimal."""
    return hashlib.sha256(letter.message.body).hexdigest()


def letter_of(message: Message) -> DeadLetter:
    """A message as a consumer of the dead-letter queue gets it: why it is there is in its headers."""
    headers = dict(message.headers)
    reason, detail, queue, since = (str(headers.pop(name, "")) for name in _WHY)
    return DeadLetter(
        message=replace(message, headers=headers),
        reason=reason,
        detail=detail,
        queue=queue,
        since=datetime.fromisoformat(since) if since else None,
    )


def sent_back(letter: DeadLetter) -> Message:
    """The message for the queue it came from, as it was, and how often it was sent back."""
    headers = dict(letter.message.headers)
    before = headers.get(RETRIED_HEADER, 0)
    headers[RETRIED_HEADER] = (before if isinstance(before, int) else 0) + 1
    headers.setdefault(KEY_HEADER, letter.message.routing_key)
    return replace(letter.message, routing_key=letter.queue, headers=headers)


async def retry(bus: Bus, wanted: Wanted, by: str, watch: Watch) -> Settled:
    """Send the wanted letters back, each to the queue it came from. Raises what publishing raises."""
    there = (await bus.state(DEAD_LETTER_QUEUE)).ready
    async with bus.consume(DEAD_LETTER_QUEUE, prefetch=HELD) as consumer:
        work = _Work(bus, consumer, lambda letter: DeadLetterRetried(**_about(letter), by=by))
        async for chosen in _chosen(consumer, there, wanted, watch):
            for queue, pairs in groupby(chosen, key=lambda pair: pair[1].queue):
                await work.send_back(list(pairs), queue)
    return work.settled


async def drop(bus: Bus, wanted: Wanted, by: str, note: str, watch: Watch) -> Settled:
    """Take the wanted letters away for good; `note` says why, for the record."""
    there = (await bus.state(DEAD_LETTER_QUEUE)).ready
    async with bus.consume(DEAD_LETTER_QUEUE, prefetch=HELD) as consumer:
        work = _Work(bus, consumer, lambda letter: DeadLetterDropped(**_about(letter), by=by, note=note))
        async for chosen in _chosen(consumer, there, wanted, watch):
            await work.take_out(chosen)
    return work.settled


class _Work:
    """Settles letters of one consumer, and tells the `outcome` of each."""

    def __init__(self, bus: Bus, consumer: Consumer, outcome: Callable[[DeadLetter], Outcome]) -> None:
        self.settled = Settled()
        self._bus = bus
        self._consumer = consumer
        self._outcome = outcome

    async def send_back(self, pairs: Sequence[Pair], queue: str) -> None:
        """Send letters to the `queue` they came from; those that have none any more stay."""
        try:
            if not queue:
                return self._keep(pairs, "nobody says which queue it came from")
            await self._bus.publish([sent_back(letter) for _, letter in pairs], to_queue=True)
        except Unroutable:
            return self._keep(pairs, f"its queue {queue!r} is gone")
        await self.take_out(pairs)
        return None

    async def take_out(self, pairs: Sequence[Pair]) -> None:
        """Tell about letters, then take them out."""
        await publish(self._bus, [_told(self._outcome(letter), letter) for _, letter in pairs])
        for delivery, letter in pairs:
            await self._consumer.ack_one(delivery)
            self.settled.letters.append(letter)

    def _keep(self, pairs: Sequence[Pair], why: str) -> None:
        self.settled.kept += [(letter, why) for _, letter in pairs]


async def _chosen(consumer: Consumer, there: int, wanted: Wanted, watch: Watch) -> AsyncIterator[list[Pair]]:
    """The wanted ones of those `there` are. The others are given back when the consumer is left.

    No more than that: one that is sent back may die again at once.
    """
    seen = chosen = 0
    while seen < there:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                deliveries = await consumer.batch(WINDOW)
        except TimeoutError:
            return
        seen += len(deliveries)
        letters = [(delivery, letter_of(delivery.message)) for delivery in deliveries]
        window = [pair for pair in letters if wanted(pair[1])]
        chosen += len(window)
        watch(seen, chosen)
        yield window


def _told(event: Outcome, letter: DeadLetter) -> Envelope[Event]:
    retried = letter.message.headers.get(RETRIED_HEADER, 0)
    identity = event_id(event, letter.message.message_id, event.sha256, letter.queue, letter.since, retried)
    return wrap(event, source="cli", time=datetime.now(UTC), id=identity)


def _about(letter: DeadLetter) -> dict[str, Any]:
    message = letter.message
    return {
        "message_id": message.message_id,
        "message_type": message.type,
        "message_subject": message.subject,
        "queue": letter.queue,
        "reason": letter.reason,
        "detail": letter.detail[:2000],
        "dead_since": letter.since,
        "sha256": digest(letter),
    }


def as_it_lay(letter: DeadLetter) -> Message:
    """The message as it lies in the dead-letter queue, with why it is there in its headers: for a file."""
    why = (letter.reason, letter.detail, letter.queue, letter.since.isoformat() if letter.since else "")
    said = {name: value for name, value in zip(_WHY, why, strict=True) if value}
    return replace(letter.message, headers={**letter.message.headers, **said})

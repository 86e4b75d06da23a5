"""What Patchbay needs of a message bus. Both adapters keep every promise; one test suite holds them to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from shared.events.topology import Topology
from shared.runtime.errors import PermanentError, TransientError

HeaderValue = str | int | bool

REASON_HEADER = "x-patchbay-reason"
DETAIL_HEADER = "x-patchbay-detail"
QUEUE_HEADER = "x-patchbay-queue"
TIME_HEADER = "x-patchbay-dead-since"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the bus sees it. `routing_key`: a topic key, or a queue's name when sent `to_queue`."""

    body: bytes
    routing_key: str
    message_id: str
    type: str = ""
    subject: str = ""
    content_type: str = "application/octet-stream"
    correlation_id: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed to a consumer. `attempt` counts its deliveries from 1; `tag` is the adapter's own."""

    message: Message
    queue: str
    attempt: int
    tag: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A message in the log. `offset` grows by publishing order and is never re-used."""

    offset: int
    time: datetime
    message: Message


@dataclass(frozen=True, slots=True)
class Death:
    """How often the bus dead-lettered a message out of a queue for one reason, and when first."""

    queue: str
    reason: str
    count: int
    first: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that ended in the dead-letter queue: why, out of which queue, and since when."""

    message: Message
    reason: str
    """`rejected`, `delivery_limit`, or the word the consumer gave ("unknown_type" …)."""
    detail: str
    queue: str
    since: datetime | None
    history: tuple[Death, ...] = ()
    """What the bus itself counted, the latest first; empty where a consumer gave it up."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """`ready` messages wait; those already with one of the `consumers` are not counted."""

    ready: int
    consumers: int


LogStart = Literal["first", "last", "next"] | int | datetime
"""Where to begin reading the log: `first` kept entry, `last` entry, only the `next` ones, from an offset
(inclusive), or from a point in time (inclusive)."""


class PublishFailed(TransientError):
    """Some messages of a window were not confirmed. Publish them again with the same ids.

    `unconfirmed` are their indices in the window; they may or may not have arrived.
    """

    def __init__(self, unconfirmed: Sequence[int], cause: str) -> None:
        super().__init__(f"{len(unconfirmed)} messages not confirmed: {cause}")
        self.unconfirmed = tuple(unconfirmed)


class Unroutable(PermanentError):
    """No queue takes these messages; the rest of the window was confirmed. `keys` are their routing keys."""

    def __init__(self, indices: Sequence[int], keys: Sequence[str]) -> None:
        super().__init__(
            f"no queue is bound for {', '.join(sorted(set(keys)))}; start a service, it declares the topology"
        )
        self.indices = tuple(indices)
        self.keys = tuple(keys)


class BusLost(TransientError):
    """The connection went away. What was not acknowledged is delivered again to whoever consumes next."""


class NoReply(TransientError):
    """Nobody answered a request in time. It may still be carried out."""


class TopologyMismatch(PermanentError):
    """The broker has a queue or exchange of this name with other arguments; the message says the remedy."""


class Consumer(Protocol):
    """One consumer of one queue. Deliveries come in the queue's order."""

    async def batch(self, limit: int, linger: timedelta = timedelta(0)) -> list[Delivery]:
        """Wait for at least one delivery; then up to `limit`, waiting no longer than `linger` for more.

        Cancelling loses nothing: what was fetched is in the next batch. Raises `BusLost`.
        """
        ...

    async def allow(self, prefetch: int) -> None:
        """Hold up to so many unsettled deliveries from now on; those in hand stay. Raises `BusLost`."""
        ...

    async def ack(self, upto: Delivery) -> None:
        """Acknowledge all unsettled deliveries up to and including `upto`, with one acknowledgement."""
        ...

    async def ack_one(self, delivery: Delivery) -> None:
        """Acknowledge this one alone, whatever was delivered before it."""
        ...

    async def requeue(self, delivery: Delivery) -> None:
        """Give one back for redelivery; beyond the queue's delivery limit it becomes a dead letter."""
        ...

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Move one to the dead-letter queue with its reason, and settle it. Cut short, it loses nothing."""
        ...


class Bus(Protocol):
    """A connection to the bus, shared by all tasks of a process."""

    async def declare(self, topology: Topology) -> None:
        """Make exchange, queues and bindings; doing it again changes nothing. Raises `TopologyMismatch`."""
        ...

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        """Publish persistently and return when every message is confirmed, in windows of confirms.

        With `to_queue` the routing key is a queue's name (replies). Raises `PublishFailed`, `Unroutable`.
        """
        ...

    def consume(self, queue: str, *, prefetch: int = 1000) -> AbstractAsyncContextManager[Consumer]:
        """Consume a declared queue. Leaving the context gives back what was not acknowledged."""
        ...

    def subscribe(
        self, bindings: Sequence[str], *, prefetch: int = 1000
    ) -> AbstractAsyncContextManager[Consumer]:
        """Consume a private, temporary queue bound to `bindings`, made on entry and gone on exit."""
        ...

    async def request(self, message: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109  part of the contract
        """Publish with a private `reply_to` and wait for the answer with the same correlation id.

        Raises `NoReply`, `Unroutable`, `PublishFailed`.
        """
        ...

    def read_log(self, start: LogStart, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        """Entries of the log from `start`, in order; ends at the end of the log unless `follow`."""
        ...

    def dead_letters(self) -> AsyncIterator[DeadLetter]:
        """Look at the dead-letter queue without taking anything from it."""
        ...

    async def state(self, queue: str) -> QueueState:
        """Depth and consumers of a queue. Raises KeyError when it is not declared."""
        ...

    def on_obstacle(self, told: Callable[[str | None], None]) -> None:
        """Have `told` hear why publishing waits for the bus, and None when it does no longer."""
        ...

    async def obstacle(self) -> str | None:
        """Ask the bus: why would it take nothing from us now? None when it would. Raises `BusLost`."""
        ...

    async def close(self) -> None:
        """Flush, give back, disconnect. Idempotent."""
        ...

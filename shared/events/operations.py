"""Events about what operators do to messages: playing them again, sending back or dropping dead letters."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Event, Part, Timestamp


class ReplayFilter(Part):
    """Which events a replay takes; what is left out is not asked."""

    types: tuple[str, ...] = ()
    """Type names, families or patterns."""
    vcenter: str | None = None
    vm: tuple[str, ...] = ()
    """The ids and names of one VM."""
    wire: tuple[str, ...] = ()
    """The ids and names of one wire."""
    subnet: tuple[str, ...] = ()
    """The id and name of one subnet."""
    address: str | None = None


class _AboutReplay(Event):
    replay: Annotated[str, Field(min_length=1)]
    """Its id, which its messages carry in `x-patchbay-replay` and `replayed`."""
    by: Annotated[str, Field(min_length=1)]

    def subject_of(self) -> str:
        return f"replay/{self.replay}"


class ReplayStarted(_AboutReplay):
    """An operator began, or resumed, to play events of the log or of a file again."""

    TYPE: ClassVar[str] = "replay.started"
    file: str | None = None
    """The file that is played; left out for the log."""
    first: int
    """The log's offset, or the file's event by number, that it begins with now."""
    last: int
    since: Timestamp | None = None
    until: Timestamp | None = None
    filter: ReplayFilter = ReplayFilter()
    queue: str | None = None
    """The one queue that it goes to."""
    to_file: str | None = None
    """The file that it goes to."""
    with_commands: bool = False


class ReplayEnded(_AboutReplay):
    """A replay came to its end, was paused, or failed; the last two can be resumed."""

    TYPE: ClassVar[str] = "replay.ended"
    state: Literal["done", "paused", "failed"]
    next: int
    """Where it would go on."""
    read: Annotated[int, Field(ge=0)]
    sent: Annotated[int, Field(ge=0)]
    problem: str | None = None


class _AboutDeadLetter(Event):
    message_id: str
    """Empty where the message has none."""
    message_type: str
    message_subject: str
    queue: str
    """The queue that it died in."""
    reason: str
    detail: str
    dead_since: Timestamp | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the body."""
    by: Annotated[str, Field(min_length=1)]

    def subject_of(self) -> str:
        return f"dead_letter/{self.message_id or self.sha256[:12]}"


class DeadLetterRetried(_AboutDeadLetter):
    """An operator sent a dead letter back to the queue that it came from."""

    TYPE: ClassVar[str] = "dead_letter.retried"


class DeadLetterDropped(_AboutDeadLetter):
    """An operator took a dead letter away for good, and said why."""

    TYPE: ClassVar[str] = "dead_letter.dropped"
    note: Annotated[str, Field(min_length=1)]

"""What a replay is to do, as it is kept, and how far it came. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from shared.bus.port import LogEntry
from shared.events.selecting import Selection
from shared.replay.places import Stretch

State = Literal["running", "paused", "failed", "done"]
SAMPLES = 5


class Target(BaseModel):
    """Where to: exactly one of a queue (`fresh`: made for this replay) and a file's absolute path."""

    model_config = ConfigDict(frozen=True)

    queue: str | None = None
    fresh: bool = False
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Target:
        if (self.queue is None) == (self.file is None):
            raise ValueError("give a queue or a file, exactly one of them")
        return self

    def __str__(self) -> str:
        return f"queue {self.queue}" if self.queue is not None else f"file {self.file}"


class Plan(BaseModel):
    """What to play: from the log, or with `file` from that file (then `first` and `last` are its lines)."""

    model_config = ConfigDict(frozen=True)

    file: str | None = None
    first: int
    last: int
    since: datetime | None = None
    until: datetime | None = None
    selection: Selection = Selection()
    target: Target
    with_commands: bool = False
    rate: float | None = None
    """Messages a second at most."""

    @property
    def stretch(self) -> Stretch:
        """The entries to read."""
        return Stretch(self.first, self.last, self.since, self.until)

    @property
    def source(self) -> str:
        """In words."""
        return f"file {self.file}" if self.file is not None else "log"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: `next` offset or line, entries `read` and `sent`, `size` of a written file."""

    next: int
    read: int = 0
    sent: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay as it is kept. `active`: a process works on it; `running` without is one that broke off."""

    id: str
    plan: Plan
    by: str
    started_at: datetime
    changed_at: datetime
    state: State
    progress: Progress
    problem: str | None = None
    active: bool = False

    @property
    def standing(self) -> str:
        """Its state in one word, `interrupted` where its process died."""
        return "interrupted" if self.state == "running" and not self.active else self.state


@dataclass
class Summary:
    """What a replay would send, for a look before it."""

    read: int = 0
    sent: int = 0
    commands: int = 0
    """Commands and requests that are left out."""
    not_for_queue: int = 0
    """Selected, but nothing that the queue is bound to."""
    first: LogEntry | None = None
    last: LogEntry | None = None
    types: Counter[str] = field(default_factory=Counter)
    sample: list[LogEntry] = field(default_factory=list)

    def add(self, entry: LogEntry) -> None:
        """Count one that would be sent."""
        self.sent += 1
        self.first = self.first or entry
        self.last = entry
        self.types[entry.message.type or "(no type)"] += 1
        if len(self.sample) < SAMPLES:
            self.sample.append(entry)

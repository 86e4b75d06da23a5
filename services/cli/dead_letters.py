"""Which dead letters a person means. Pure but for looking names up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from services.cli.filters import Filters, resolve
from services.cli.names import not_known
from shared.bus.port import DeadLetter
from shared.events.selecting import Selection
from shared.replay.letters import digest, key_of
from shared.runtime.environment import Platform

Mark = tuple[str, str, str, datetime | None]
"""What tells two letters apart, be they copies of one message."""


@dataclass(frozen=True)
class Letters:
    """What must hold of a dead letter; what is None is not asked. `only` are certain ones."""

    reason: str | None = None
    queue: str | None = None
    before: datetime | None = None
    selection: Selection = field(default_factory=Selection)
    only: frozenset[Mark] | None = None

    def wants(self, letter: DeadLetter) -> bool:
        """Does it fit every criterion?"""
        message = letter.message
        return (
            (self.reason is None or fnmatchcase(letter.reason, self.reason))
            and (self.queue is None or letter.queue == self.queue)
            and (self.before is None or (letter.since is not None and letter.since <= self.before))
            and (self.only is None or mark_of(letter) in self.only)
            and self.selection.takes(message.body, message.type)
        )

    async def with_selection(self, platform: Platform, wanted: Filters) -> Letters:
        """With the filters that need names looked up. Raises `Refused`, `PermanentError`."""
        return replace(self, selection=await resolve(platform.pool, wanted))


def mark_of(letter: DeadLetter) -> Mark:
    """What tells it from every other."""
    return (key_of(letter), digest(letter), letter.queue, letter.since)


def chosen(letters: Letters, these: Sequence[DeadLetter]) -> Letters:
    """Only these, of those."""
    return replace(letters, only=frozenset(map(mark_of, these)))


def by_key(letters: Sequence[DeadLetter], wanted: str) -> list[DeadLetter]:
    """The letters of that id, or the only id that begins like that. A message can be dead in several queues.

    Raises `Refused`.
    """
    exact = [letter for letter in letters if key_of(letter) == wanted]
    if exact:
        return exact
    keys = sorted({key_of(letter) for letter in letters if key_of(letter).startswith(wanted)})
    if len(keys) == 1 and wanted:
        return [letter for letter in letters if key_of(letter) == keys[0]]
    if keys and wanted:
        raise not_known("dead letter", wanted, keys)
    raise not_known("dead letter", wanted, sorted({key_of(letter) for letter in letters}))

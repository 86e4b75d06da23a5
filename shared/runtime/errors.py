"""The error tree, and the one table that says what each branch leads to.

    PatchbayError
    ├── TransientError   try again later: with backoff and jitter, until the delivery limit
    ├── ConflictError    somebody was faster: load again, decide again, at once
    └── PermanentError   trying again can't help: dead letter, refusal, or a clear exit

Anything else is a defect: logged with its traceback, tried to the delivery limit, then a dead letter.
"""

from __future__ import annotations

from enum import Enum


class PatchbayError(Exception):
    """Root of all errors that Patchbay raises itself."""


class TransientError(PatchbayError):
    """May work later, unchanged."""


class ConflictError(PatchbayError):
    """A concurrent writer won; a fresh look decides again."""


class PermanentError(PatchbayError):
    """Will never work unchanged. `code` is stable for programs, `hint` the next step for a person."""

    def __init__(self, message: str, *, code: str = "invalid", hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class Action(Enum):
    """What the consuming loop does with a message whose handling failed."""

    RETRY_LATER = "retry later"
    RETRY_NOW = "retry now"
    DEAD_LETTER = "dead letter"
    RETRY_TO_LIMIT = "retry to the limit"


ACTIONS: tuple[tuple[type[Exception], Action], ...] = (
    (TransientError, Action.RETRY_LATER),
    (ConflictError, Action.RETRY_NOW),
    (PermanentError, Action.DEAD_LETTER),
    (Exception, Action.RETRY_TO_LIMIT),
)


def action_for(error: Exception) -> Action:
    """The row of the table for `error`."""
    return next(action for kind, action in ACTIONS if isinstance(error, kind))

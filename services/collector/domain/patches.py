"""Changes below a property, of single elements of a list or fields of them, applied to what is known."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, TypeAlias

Key: TypeAlias = "int | str"


class Put(NamedTuple):
    """The element with this key is now `item`; None: it is gone, or is none that matters."""

    key: Key
    item: Any


class Set(NamedTuple):
    """Fields of the element with this key, if it is one that matters."""

    key: Key
    values: tuple[tuple[str, object], ...]


Edit: TypeAlias = "Put | Set"


class Patch(NamedTuple):
    """Edits of a tuple of named tuples that have a `key` each, in their order."""

    edits: tuple[Edit, ...]

    def applied_to(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The list after all edits; new elements come last."""
        found = {item.key: item for item in items}
        for edit in self.edits:
            if isinstance(edit, Set):
                if edit.key in found:
                    found[edit.key] = found[edit.key]._replace(**dict(edit.values))
            elif edit.item is None:
                found.pop(edit.key, None)
            else:
                found[edit.key] = edit.item
        return tuple(found.values())


class Stale(Enum):
    """The type of `STALE`."""

    STALE = "stale"


STALE = Stale.STALE
"""In place of a field's value: it changed in a way that is not understood, and has to be read anew."""


def merged(before: object, edit: Edit | Stale) -> object:
    """A field's value within one change after one more edit of it. `before` is None where it has none yet."""
    match before, edit:
        case (Stale(), _) | (_, Stale()):
            return STALE
        case (Patch(edits), _):
            return Patch((*edits, edit))
        case (None, _):
            return Patch((edit,))
        case (tuple(), _):
            return Patch((edit,)).applied_to(before)
    return STALE


def resolved(value: object, old: object) -> object:
    """The value that a field has after a change; `STALE` where that can't be told from `old`."""
    if not isinstance(value, Patch):
        return value
    return value.applied_to(old) if isinstance(old, tuple) else STALE

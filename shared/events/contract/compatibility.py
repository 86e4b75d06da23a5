"""What a change of a published version's shape would break, and for whom.

Of messages that Patchbay writes, the new shape must be within the old one, and keep every field: who reads
by the old schema meets nothing new and misses nothing. Of messages that others write, the old shape must be
within the new one: who wrote by the old schema is understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shared.events.contract.containment import Excess, Kind, excesses, resolved
from shared.events.contract.schemas import Schema, Writer

INSTEAD = """A published version must not change like that. Make a new one, and lift old messages to it:
  1. Give the changed model VERSION = n + 1 and register it (shared/events/registry.py).
  2. Register how a message of version n becomes one of n + 1: UPCASTS in shared/events/upcasts.py.
  3. Add a golden message of the new version (tests/contract/events/golden); leave the old one as it is.
  4. make contract
If no release has this version yet, accept the new shape: .venv/bin/patchbay contract accept docs/reference"""

_READERS: Mapping[Kind, str] = {
    "field": "is a new field; who checks by the published schema, an older Patchbay too, refuses it",
    "absence": "may be missing now; readers count on it",
    "type": "is {narrow} now, was {wide}",
    "value": "may be {narrow} now; readers know {wide}",
    "format": "has format {narrow} now, had {wide}",
    "limit": "goes beyond the published limit: {narrow} now, was {wide}",
    "length": "has {narrow} elements now, had {wide}",
}
_SENDERS: Mapping[Kind, str] = {
    "field": "is refused now; senders write it",
    "absence": "is required now; senders leave it out",
    "type": "must be {wide} now, was {narrow}",
    "value": "is restricted to {wide} now; senders write {narrow}",
    "format": "must have format {wide} now, had {narrow}",
    "limit": "is limited more than published: {wide} now, was {narrow}",
    "length": "must have {wide} elements now, had {narrow}",
}


class Break(NamedTuple):
    """A field of a published version, and what a change of it would do to somebody."""

    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.field or 'data'} {self.what}"


def breaks(published: Schema, current: Schema, writer: Writer) -> list[Break]:
    """What would break if `current` took the place of `published`, given who writes such messages."""
    if writer == "others":
        return [_said(excess, _SENDERS) for excess in excesses(published, current)]
    found = [_said(excess, _READERS) for excess in excesses(current, published)]
    gone = [Break(field, "is gone; readers show it") for field in _gone(published, current)]
    fields = {one.field for one in gone}
    return [one for one in found if one.field not in fields] + gone


def _said(excess: Excess, words: Mapping[Kind, str]) -> Break:
    return Break(excess.path, words[excess.kind].format(narrow=excess.narrow, wide=excess.wide))


def _gone(published: Schema, current: Schema) -> Iterator[str]:
    now = _paths(current)
    seen: set[str] = set()
    for path in _paths(published):
        # With a field go those below it; they need no mention.
        if path not in now and not any(path.startswith((f"{one}.", f"{one}[")) for one in seen):
            seen.add(path)
            yield path


def _paths(root: Schema) -> dict[str, None]:
    return dict.fromkeys(_below(root, root, ""))


def _below(schema: Schema, root: Schema, path: str) -> Iterator[str]:
    schema = resolved(schema, root)
    for name, inner in schema.get("properties", {}).items():
        field = f"{path}.{name}".lstrip(".")
        yield field
        yield from _below(inner, root, field)
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _below(one, root, path)
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        inner = schema.get(key)
        if isinstance(inner, dict):
            yield from _below(inner, root, path + suffix)

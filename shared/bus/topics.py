"""Topic matching as AMQP defines it, in pure Python: which queues does a routing key reach?

Keys and patterns are words split by dots; in a pattern "*" stands for one word and "#" for any number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_REMEMBERED_KEYS = 10_000


def words_of(text: str) -> tuple[str, ...]:
    """The words of a key or pattern. The empty key has none."""
    return tuple(text.split(".")) if text else ()


def matches(pattern: str, key: str) -> bool:
    """Does `pattern` take `key`?"""
    return matches_words(words_of(pattern), words_of(key))


def matches_words(pattern: tuple[str, ...], key: tuple[str, ...]) -> bool:
    """`matches` on split words, in time `len(pattern) * len(key)` at worst."""
    at_pattern = at_key = 0
    after_hash, taken_by_hash = -1, 0
    while at_key < len(key):
        if at_pattern < len(pattern) and pattern[at_pattern] == "#":
            after_hash, taken_by_hash = at_pattern + 1, at_key
            at_pattern = after_hash
        elif at_pattern < len(pattern) and pattern[at_pattern] in {"*", key[at_key]}:
            at_pattern += 1
            at_key += 1
        elif after_hash >= 0:
            # Only the last "#" ever has to take one word more: an earlier one could reach no more than it.
            taken_by_hash += 1
            at_pattern, at_key = after_hash, taken_by_hash
        else:
            return False
    return all(word == "#" for word in pattern[at_pattern:])


class Binding(NamedTuple):
    """A queue's wish: keys of `exchange` that match `pattern`."""

    exchange: str
    pattern: str
    queue: int


class Routes:
    """Where keys go, with an answer remembered per key. Immutable as to its bindings."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._patterns: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for binding in bindings:
            entry = (words_of(binding.pattern), binding.queue)
            self._patterns.setdefault(binding.exchange, []).append(entry)
        self._remembered: dict[tuple[str, str], tuple[int, ...]] = {}

    def queues(self, exchange: str, key: str) -> tuple[int, ...]:
        """Each queue that takes `key` from `exchange`, once, in ascending order."""
        known = self._remembered.get((exchange, key))
        if known is not None:
            return known
        words = words_of(key)
        reached = {
            queue
            for pattern, queue in self._patterns.get(exchange, ())
            if matches_words(pattern, words)
        }  # fmt: skip
        if len(self._remembered) >= _REMEMBERED_KEYS:
            self._remembered.clear()
        answer = self._remembered[exchange, key] = tuple(sorted(reached))
        return answer

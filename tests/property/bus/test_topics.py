"""Topic matching against a slow and obvious oracle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.topics import Binding, Routes, matches

WORDS = st.sampled_from(["a", "b", "", "nic", "*x", "#x"])
KEYS = st.lists(WORDS, max_size=6).map(".".join)
PATTERNS = st.lists(st.one_of(WORDS, st.sampled_from(["*", "#"])), max_size=6).map(".".join)


def oracle(pattern: list[str], key: list[str]) -> bool:
    """The definition, word by word."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(oracle(pattern[1:], key[taken:]) for taken in range(len(key) + 1))
    return bool(key) and pattern[0] in {"*", key[0]} and oracle(pattern[1:], key[1:])


def split(text: str) -> list[str]:
    return text.split(".") if text else []


@given(PATTERNS, KEYS)
def test_matching_is_as_defined(pattern: str, key: str) -> None:
    assert matches(pattern, key) == oracle(split(pattern), split(key))


@given(KEYS)
def test_a_hash_takes_everything(key: str) -> None:
    assert matches("#", key)
    assert matches("#.#", key)


@given(st.lists(st.tuples(st.sampled_from("xy"), PATTERNS, st.integers(0, 4)), max_size=8), KEYS)
def test_routes_name_each_queue_once_in_order(bindings: list[tuple[str, str, int]], key: str) -> None:
    routes = Routes(Binding(*binding) for binding in bindings)
    expected = {queue for exchange, pattern, queue in bindings if exchange == "x" and matches(pattern, key)}
    assert routes.queues("x", key) == tuple(sorted(expected))
    assert routes.queues("x", key) == tuple(sorted(expected))
    assert routes.queues("z", key) == ()

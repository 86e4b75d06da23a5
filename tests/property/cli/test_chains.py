"""Chains: the same links, whatever is asked about and however the events lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.cli.tracing.chains import Chain, Hop, Link, as_trees

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def logs(draw: st.DrawFn) -> list[Hop]:
    """Events, each with a cause before it or none, in the conversation of that or of another."""
    hops: list[Hop] = []
    for number in range(draw(st.integers(1, 25))):
        cause = draw(st.none() | st.sampled_from(hops)) if hops else None
        other = draw(st.none() | st.sampled_from(hops)) if hops else None
        conversation = None if cause is None else cause.conversation or cause.id
        if cause is not None and other is not None and draw(st.booleans()):
            conversation = other.conversation or other.id
        at = START + timedelta(seconds=number)
        hops.append(
            Hop(
                number,
                f"e{number}",
                "t",
                "s",
                "/patchbay/x",
                at,
                at,
                None if cause is None else cause.id,
                conversation,
            )
        )
    return hops


def _found(log: list[Hop], identity: str) -> set[str]:
    chain = Chain.about(identity)
    size = -1
    while size != len(chain.hops):
        size = len(chain.hops)
        for hop in log:
            if hop.id not in chain.hops and chain.belongs(hop.id, hop.cause, hop.conversation):
                chain.offer(hop)
    assert not chain.missing
    return set(chain.hops)


@given(logs(), st.data())
def test_a_chain_is_the_same_from_each_of_its_ends(log: list[Hop], data: st.DataObject) -> None:
    """Asked about any of its events, a chain has the same ones; and their causes and effects."""
    one = data.draw(st.sampled_from(log))
    found = _found(log, one.id)
    for other in found:
        assert _found(log, other) == found
    for hop in log:
        if hop.id in found and hop.cause is not None:
            assert hop.cause in found
        if hop.cause in found:
            assert hop.id in found


@given(logs())
def test_trees_have_each_event_once_under_its_cause(log: list[Hop]) -> None:
    """Nothing twice, nothing lost, effects after causes."""
    waiting: list[Link] = as_trees(reversed(log))
    seen: list[str] = []
    while waiting:
        link = waiting.pop()
        seen.append(link.hop.id)
        for effect in link.effects:
            assert effect.hop.cause == link.hop.id
            assert effect.seconds is not None
            assert effect.seconds >= 0
        waiting += link.effects
    assert sorted(seen) == sorted(hop.id for hop in log)


def test_events_that_name_each_other_in_a_circle_are_shown_all_the_same() -> None:
    """A foreign sender may write what it likes."""
    hops = [
        Hop(0, "a", "t", "s", "x", START, START, "b", "a"),
        Hop(1, "b", "t", "s", "x", START, START, "a", "a"),
    ]
    assert sum(1 + len(top.effects) for top in as_trees(hops)) == 2

"""Evidence for additional wires against a day lived through second by second."""

from __future__ import annotations

import ipaddress
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.evidence import (
    TICK,
    Weight,
    Witness,
    attached_since,
    current,
    last_tick,
    strong,
    weigh,
)
from services.allocator.domain.matching import SubnetView

START = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = 30
SUBNETS = [
    SubnetView(UUID(int=1), UUID(int=7), "four", ipaddress.ip_network("10.0.0.0/24"),
               ipaddress.ip_address("10.0.0.1"), UUID(int=9)),
    SubnetView(UUID(int=1), UUID(int=7), "six", ipaddress.ip_network("2001:db8::/64"),
               ipaddress.ip_address("2001:db8::1"), UUID(int=9)),
]  # fmt: skip


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


@st.composite
def witness(draw: st.DrawFn) -> Witness:
    """A VM seen from some second on, perhaps to another."""
    first = draw(st.integers(0, SECONDS))
    ended = draw(st.none() | st.integers(first, SECONDS))
    return Witness(
        vm=UUID(int=draw(st.integers(1, 4))),
        vm_name="vm",
        port=UUID(int=9),
        mac=None,
        address=f"10.0.0.{draw(st.integers(2, 9))}",
        prefix=draw(st.sampled_from([24, 64, None])),
        gateway=draw(st.sampled_from(["10.0.0.1", "2001:db8::1", None])),
        first_seen=at(first),
        last_seen=at(first if ended is None else ended),
        live=ended is None,
        ended_at=None if ended is None else at(ended),
    )


WITNESSES = st.lists(witness(), max_size=8)
WEIGHTS = st.builds(
    Weight, st.integers(1, 4), st.integers(1, 3), st.integers(0, 8).map(lambda n: timedelta(seconds=n))
)
SUBNET = st.sampled_from(SUBNETS)


@given(WITNESSES, SUBNET, WEIGHTS, st.integers(SECONDS, 2 * SECONDS))
def test_detection_and_retirement_agree_with_living_through_it(
    witnesses: list[Witness], subnet: SubnetView, weight: Weight, now: int
) -> None:
    worth: dict[UUID, int] = {}
    attached: datetime | None = None
    for second in (half / 2 for half in range(2 * now + 1)):
        counting = [
            w
            for w in witnesses
            if w.first_seen <= at(second) and (w.ended_at is None or at(second) <= w.ended_at + weight.rest)
        ]
        if not counting:
            worth, attached = {}, None
        for seen in counting:
            value = weight.strong if strong(seen, subnet) else 1
            worth[seen.vm] = max(worth.get(seen.vm, 0), value)
        if attached is None and sum(worth.values()) >= weight.threshold:
            attached = at(second)
    assert attached_since(witnesses, subnet, weight, at(now)) == attached


@given(WITNESSES, SUBNET, WEIGHTS, st.integers(0, 2 * SECONDS), st.randoms(use_true_random=False))
def test_g3_evidence_weighs_the_same_in_every_order(
    witnesses: list[Witness], subnet: SubnetView, weight: Weight, now: int, chance: random.Random
) -> None:
    shuffled = list(witnesses)
    chance.shuffle(shuffled)
    assert attached_since(witnesses, subnet, weight, at(now)) == attached_since(
        shuffled, subnet, weight, at(now)
    )
    counting = current(witnesses, weight, at(now))
    assert sorted(map(str, counting)) == sorted(map(str, current(shuffled, weight, at(now))))
    enough = weigh(counting, subnet, weight) >= weight.threshold
    assert (attached_since(witnesses, subnet, weight, at(now)) is not None) == enough


@given(WITNESSES, WITNESSES, SUBNET, WEIGHTS)
def test_more_evidence_never_detaches(
    some: list[Witness], more: list[Witness], subnet: SubnetView, weight: Weight
) -> None:
    if attached_since(some, subnet, weight, at(SECONDS)) is not None:
        assert attached_since([*some, *more], subnet, weight, at(SECONDS)) is not None


@given(WITNESSES, SUBNET, WEIGHTS)
def test_g4_while_somebody_is_seen_nothing_is_detached_however_late_it_gets(
    witnesses: list[Witness], subnet: SubnetView, weight: Weight
) -> None:
    living = [w for w in witnesses if w.live]
    since = attached_since(living, subnet, weight, at(SECONDS))
    assert attached_since(living, subnet, weight, START + timedelta(days=3650)) == since


@given(st.integers(0, 2**32).map(lambda n: datetime.fromtimestamp(n, UTC)))
def test_ticks_are_full_and_not_ahead(spoken: datetime) -> None:
    tick = last_tick(spoken)
    assert tick <= spoken < tick + TICK
    assert last_tick(tick) == tick

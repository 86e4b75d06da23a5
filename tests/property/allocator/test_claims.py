"""Who holds a contested address: one, the same in every order, and never against people's word."""

from __future__ import annotations

import ipaddress
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.claims import Claimant, Parked, Recorded, contest
from services.allocator.domain.evidence import Weight, Witness, attached_since, weigh
from services.allocator.domain.matching import Match, SubnetView
from shared.events.nic import NicSource
from shared.ipam.domain import Holder

START = datetime(2026, 1, 1, tzinfo=UTC)
SUBNET = SubnetView(
    UUID(int=1), UUID(int=2), "prod", ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_address("10.0.0.1"),
    UUID(int=3),
)  # fmt: skip
RESERVATION = UUID(int=77)
SOURCES: list[NicSource] = ["fixed", "reservation", "tools"]
MATCHES = [Match(subnet=SUBNET), Match(verdict="no_subnet_on_wire"), Match(verdict="link_local")]


@st.composite
def claimants(draw: st.DrawFn) -> list[Claimant]:
    """Claims of up to four ports; a port may have one of each source."""
    found = []
    for number, source in draw(st.sets(st.tuples(st.integers(1, 4), st.sampled_from(SOURCES)), max_size=6)):
        found.append(
            Claimant(
                port=UUID(int=number),
                nic=UUID(int=number + 100),
                source=source,
                since=START + timedelta(seconds=draw(st.integers(0, 3))),
                match=MATCHES[0] if source != "tools" else draw(st.sampled_from(MATCHES[:2])),
                reservation=RESERVATION if source == "reservation" else None,
                contradicts=source == "tools" and draw(st.booleans()),
            )
        )
    return found


OUTSIDE = st.sampled_from([None, Holder("reserved", UUID(int=5)), Holder("reservation", RESERVATION)])


@given(claimants(), OUTSIDE, st.integers())
def test_g1_g3_one_holder_whatever_the_order(
    claims: list[Claimant], outside: Holder | None, seed: int
) -> None:
    shuffled = list(claims)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  a permutation, no secret
    verdicts, again = contest(claims, outside), contest(shuffled, outside)
    assert (verdicts.holder, verdicts.outcomes) == (again.holder, again.outcomes)
    assert sorted(verdicts.disputes) == sorted(again.disputes)
    assert set(verdicts.outcomes) == {c.port for c in claims}
    recorded = [p for p, o in verdicts.outcomes.items() if isinstance(o, Recorded)]
    assert len(recorded) <= 1
    if recorded:
        assert verdicts.holder == Holder("nic", UUID(int=recorded[0].int + 100))
    elif claims and outside is None:
        assert verdicts.holder is not None
        assert verdicts.holder.kind == "sighting"


@given(claimants())
def test_g5_an_operators_word_wins(claims: list[Claimant]) -> None:
    stated = {c.port for c in claims if c.source == "fixed"}
    verdicts = contest(claims, None)
    if stated:
        (winner,) = (p for p, o in verdicts.outcomes.items() if isinstance(o, Recorded))
        assert winner in stated
    reserved = contest(claims, Holder("reserved", UUID(int=5)))
    assert reserved.holder is None
    assert all(isinstance(o, Parked) and o.verdict == "reserved" for o in reserved.outcomes.values())


WITNESSES = st.lists(
    st.builds(
        Witness,
        vm=st.integers(1, 4).map(lambda n: UUID(int=n)),
        vm_name=st.just("vm"),
        port=st.just(UUID(int=9)),
        mac=st.none(),
        address=st.integers(2, 9).map(lambda n: f"10.0.0.{n}"),
        prefix=st.sampled_from([24, 25, None]),
        gateway=st.sampled_from(["10.0.0.1", "10.0.0.254", None]),
        first_seen=st.integers(0, 9).map(lambda n: START + timedelta(seconds=n)),
        last_seen=st.just(START),
        live=st.booleans(),
    ),
    max_size=8,
)


@given(WITNESSES, st.integers(1, 4), st.integers(1, 3), st.integers())
def test_g3_evidence_weighs_the_same_in_every_order(
    witnesses: list[Witness], threshold: int, worth: int, seed: int
) -> None:
    weight = Weight(threshold, worth)
    shuffled = list(witnesses)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  a permutation, no secret
    since = attached_since(witnesses, SUBNET, weight)
    assert since == attached_since(shuffled, SUBNET, weight)
    assert (since is not None) == (weigh(witnesses, SUBNET, weight) >= threshold)
    if since is not None:
        # Enough by then, and not before.
        assert weigh([w for w in witnesses if w.first_seen <= since], SUBNET, weight) >= threshold
        assert weigh([w for w in witnesses if w.first_seen < since], SUBNET, weight) < threshold


@given(WITNESSES, WITNESSES)
def test_more_evidence_never_detaches(some: list[Witness], more: list[Witness]) -> None:
    if attached_since(some, SUBNET, Weight()) is not None:
        assert attached_since([*some, *more], SUBNET, Weight()) is not None

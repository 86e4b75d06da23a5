"""Who holds a contested address: one, the same in every order, and never against people's word."""

from __future__ import annotations

import ipaddress
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.claims import Claimant, Parked, Recorded, contest
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

"""What the own wire explains is matched once, and that changes nothing that is ruled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.matching import Role, SubnetView
from services.allocator.domain.reports import UNPLACED
from services.allocator.domain.settlement import Case, SeenOn, explained_on, rule
from tests.property.allocator.test_matching import ADDRESSES, WITH_ROLES, subnet

VCENTER, SCOPE = UUID(int=1), UUID(int=7)
KNOWN, UNKNOWN = UUID(int=11), UUID(int=12)
START = datetime(2026, 11, 1, tzinfo=UTC)


@st.composite
def seen(draw: st.DrawFn) -> SeenOn:
    """An address on one of a few ports, of a wire that is known or not; still, or until lately."""
    port, device = draw(st.integers(1, 4)), draw(st.sampled_from([4000, UNPLACED]))
    since = START + timedelta(minutes=draw(st.integers(0, 5)))
    return SeenOn(
        port=UUID(int=100 + port),
        nic=UUID(int=200 + port),
        device_key=device,
        address=draw(ADDRESSES),
        wire=draw(st.sampled_from([KNOWN, UNKNOWN])),
        vcenter=VCENTER,
        since=since,
        ended_at=draw(st.none() | st.just(since + timedelta(hours=1))),
    )


@given(st.lists(seen(), min_size=1, max_size=8), WITH_ROLES, WITH_ROLES, st.none() | subnet())
def test_what_is_matched_beforehand_is_ruled_the_same(
    all_seen: list[SeenOn],
    known: list[tuple[SubnetView, Role]],
    unknown: list[tuple[SubnetView, Role]],
    containing: SubnetView | None,
) -> None:
    addresses = {s.address for s in all_seen}
    on_wire = {KNOWN: known, UNKNOWN: unknown}
    case = Case(
        addresses=addresses,
        seen=all_seen,
        stated=[],
        fixed={},
        known_wires={KNOWN},
        on_wire=on_wire,
        containing={} if containing is None else {(SCOPE, a): containing for a in addresses},
        scope_of={VCENTER: SCOPE},
        ledger={},
    )
    assert rule(replace(case, explained=explained_on(on_wire, all_seen))) == rule(case)

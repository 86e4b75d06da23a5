"""Steps that are judged together come to what they come to one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.ipam.domain import Claim, Held, Holder, Release, Reserved, Settlement, Steps, reserved_by, settle
from shared.ipam.domain.claims import HolderKind, Place

SCOPE, SUBNET = UUID(int=1), UUID(int=2)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS: tuple[HolderKind, ...] = ("nic", "sighting", "reservation", "cooling")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "2001:db8::1")

times = st.integers(0, 3).map(lambda hours: START + hours * HOUR)
addresses = st.sampled_from(ADDRESSES)
# Few, so that they meet; the last is what an operator said of the first address.
holders = st.sampled_from(
    [*(Holder(kind, UUID(int=n)) for kind in KINDS for n in (10, 11)), reserved_by(SCOPE, ADDRESSES[0])]
)
live = holders.filter(lambda holder: holder.kind != "cooling")
releases = st.lists(st.builds(Release, addresses, live, times), max_size=3)
claims = st.lists(st.builds(Claim, addresses, live, times, instead_of=st.none() | holders), max_size=4)
place = st.builds(
    Place,
    st.sampled_from([SUBNET, None]),
    st.sampled_from([timedelta(0), HOUR]),
    st.booleans(),
    st.none() | st.builds(Reserved, st.none(), times),
)
places = st.fixed_dictionaries(dict.fromkeys(ADDRESSES, place))


ledgers = st.dictionaries(addresses, holders)


@given(st.builds(Steps, releases, claims, releases, releases), places, ledgers, times)
def test_g1_steps_together_leave_what_they_leave_one_by_one(
    steps: Steps, places: dict[str, Place], held: dict[str, Holder], since: datetime
) -> None:
    before = {
        a: Held(SCOPE, a, holder, places[a].subnet, since, since + HOUR if holder.kind == "cooling" else None)
        for a, holder in held.items()
    }
    rows, now_places, one_by_one = before, places, []
    for step in (
        Steps(undo=steps.undo),
        Steps(occupy=steps.occupy),
        Steps(release=steps.release),
        Steps(forget=steps.forget),
    ):
        came = settle(SCOPE, step, now_places, rows)
        rows = _written(rows, came)
        now_places = {
            a: place._replace(reserved=None) if a in came.given_up else place
            for a, place in now_places.items()
        }
        one_by_one.append(came)

    together = settle(SCOPE, steps, places, before)

    assert _written(before, together) == rows
    assert together.granted == [claim for came in one_by_one for claim in came.granted]
    assert together.refused == [refusal for came in one_by_one for refusal in came.refused]
    assert together.released == [release for came in one_by_one for release in came.released]
    assert together.not_held == [release for came in one_by_one for release in came.not_held]
    assert together.given_up == [address for came in one_by_one for address in came.given_up]


def _written(before: Mapping[str, Held], came: Settlement) -> dict[str, Held]:
    """The rows once what came of it is written."""
    assert {row.address for row in came.updates} <= before.keys() - set(came.deletes)
    assert not before.keys() & {row.address for row in came.inserts}
    rows = {address: row for address, row in before.items() if address not in came.deletes}
    return rows | {row.address: row for row in (*came.updates, *came.inserts)}

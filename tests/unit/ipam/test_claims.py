"""Who gets an address, judged without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.ipam.domain import Claim, Held, Holder, Release, Reserved, Steps, reserved_by, settle
from shared.ipam.domain.claims import Place

SCOPE, SUBNET, ONE, TWO = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AT = "10.0.0.1"
RESTING = Place(SUBNET, MINUTE, remembers=False)
NOT_RESTING = Place(SUBNET, timedelta(0), remembers=False)
REMEMBERING = Place(SUBNET, timedelta(0), remembers=True)
NOWHERE = Place(None, timedelta(0), remembers=False)


def held(holder: Holder, until: datetime | None = None) -> dict[str, Held]:
    return {AT: Held(SCOPE, AT, holder, SUBNET, NOON, until)}


def test_a_claim_that_comes_to_nothing_new_writes_nothing() -> None:
    claim = Claim(AT, Holder("nic", ONE), NOON + MINUTE, "another note")
    settlement = settle(SCOPE, Steps(occupy=[claim]), {AT: RESTING}, held(Holder("nic", ONE)))
    assert settlement.granted == [claim]
    assert (settlement.inserts, settlement.updates, settlement.deletes) == ([], [], [])


@pytest.mark.parametrize("kind", ["nic", "sighting", "reservation", "reserved"])
@pytest.mark.parametrize("claimant", ["nic", "sighting", "reservation", "reserved"])
def test_g1_g5_no_live_holder_gives_way_unless_named(kind: str, claimant: str) -> None:
    holder = Holder(kind, ONE)  # type: ignore[arg-type]
    claim = Claim(AT, Holder(claimant, TWO), NOON + MINUTE)  # type: ignore[arg-type]
    settlement = settle(SCOPE, Steps(occupy=[claim]), {AT: RESTING}, held(holder, NOON))
    assert settlement.refused == [(claim, holder)]
    assert settlement.updates == []


@pytest.mark.parametrize(
    ("place", "until"),
    [(RESTING, NOON + MINUTE), (REMEMBERING, NOON), (NOT_RESTING, None), (NOWHERE, None)],
)
def test_where_a_released_address_rests(place: Place, until: datetime | None) -> None:
    release = Release(AT, Holder("sighting", ONE), NOON)
    settlement = settle(SCOPE, Steps(release=[release]), {AT: place}, held(Holder("sighting", ONE)))
    assert settlement.released == [release]
    if until is None:
        assert (settlement.updates, settlement.deletes) == ([], [AT])
    else:
        (row,) = settlement.updates
        assert (row.holder, row.since, row.until) == (Holder("cooling", ONE), NOON, until)
        assert row.note == "released by sighting"


def test_a_repeated_release_in_one_batch_counts_once() -> None:
    release = Release(AT, Holder("nic", ONE), NOON)
    twice = [release, release]
    for steps, now_with in ((Steps(release=twice), Holder("cooling", ONE)), (Steps(forget=twice), None)):
        settlement = settle(SCOPE, steps, {AT: RESTING}, held(Holder("nic", ONE)))
        assert settlement.released == [release]
        assert settlement.not_held == [(release, now_with)]


def test_nobody_releases_what_rests() -> None:
    cooling = Holder("cooling", ONE)
    release = Release(AT, cooling, NOON)
    before = held(cooling, NOON + MINUTE)
    settlement = settle(SCOPE, Steps(forget=[release]), {AT: RESTING}, before)
    assert settlement.not_held == [(release, cooling)]
    assert settlement.deletes == []


def test_each_step_sees_what_the_ones_before_it_left() -> None:
    """Let go of, taken by another and let go of again: the row changes once, to what is true at the end."""
    first, then = Holder("nic", ONE), Holder("sighting", TWO)
    steps = Steps(
        undo=[Release(AT, first, NOON)],
        occupy=[Claim(AT, then, NOON)],
        release=[Release(AT, then, NOON + MINUTE)],
    )
    settlement = settle(SCOPE, steps, {AT: RESTING}, held(first))
    assert settlement.released == [*steps.undo, *steps.release]
    assert (settlement.inserts, settlement.deletes) == ([], [])
    (row,) = settlement.updates
    assert (row.holder, row.since, row.until) == (Holder("cooling", TWO), NOON + MINUTE, NOON + 2 * MINUTE)


def test_what_is_taken_and_forgotten_at_once_was_never_there() -> None:
    holder = Holder("nic", ONE)
    steps = Steps(occupy=[Claim(AT, holder, NOON)], forget=[Release(AT, holder, NOON)])
    settlement = settle(SCOPE, steps, {AT: RESTING}, {})
    assert (settlement.inserts, settlement.updates, settlement.deletes) == ([], [], [])


def test_g5_an_address_given_up_by_the_operator_is_not_reserved_again_by_a_later_step() -> None:
    operator, holder = reserved_by(SCOPE, AT), Holder("nic", ONE)
    place = RESTING._replace(reserved=Reserved(None, NOON))
    steps = Steps(occupy=[Claim(AT, holder, NOON)], release=[Release(AT, holder, NOON)])
    kept = settle(SCOPE, steps, {AT: place}, held(Holder("cooling", TWO), NOON))
    assert ([row.holder for row in kept.updates], kept.given_up) == ([operator], [])
    steps.undo.append(Release(AT, operator, NOON))
    given_up = settle(SCOPE, steps, {AT: place}, held(operator))
    assert ([row.holder.kind for row in given_up.updates], given_up.given_up) == (["cooling"], [AT])

"""Who gets an address, judged without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.ipam.domain import Claim, Held, Holder, Release, settle, settle_releases
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
    settlement = settle(SCOPE, [claim], {AT: RESTING}, held(Holder("nic", ONE)))
    assert settlement.granted == [claim]
    assert (settlement.inserts, settlement.updates, settlement.deletes) == ([], [], [])


@pytest.mark.parametrize("kind", ["nic", "sighting", "reservation", "reserved"])
@pytest.mark.parametrize("claimant", ["nic", "sighting", "reservation", "reserved"])
def test_g1_g5_no_live_holder_gives_way_unless_named(kind: str, claimant: str) -> None:
    holder = Holder(kind, ONE)  # type: ignore[arg-type]
    claim = Claim(AT, Holder(claimant, TWO), NOON + MINUTE)  # type: ignore[arg-type]
    settlement = settle(SCOPE, [claim], {AT: RESTING}, held(holder, NOON))
    assert settlement.refused == [(claim, holder)]
    assert settlement.updates == []


@pytest.mark.parametrize(
    ("place", "until"),
    [(RESTING, NOON + MINUTE), (REMEMBERING, NOON), (NOT_RESTING, None), (NOWHERE, None)],
)
def test_where_a_released_address_rests(place: Place, until: datetime | None) -> None:
    release = Release(AT, Holder("sighting", ONE), NOON)
    settlement = settle_releases([release], {AT: place}, held(Holder("sighting", ONE)), cooldown=True)
    assert settlement.released == [release]
    if until is None:
        assert (settlement.updates, settlement.deletes) == ([], [AT])
    else:
        (row,) = settlement.updates
        assert (row.holder, row.since, row.until) == (Holder("cooling", ONE), NOON, until)
        assert row.note == "released by sighting"


def test_a_repeated_release_in_one_batch_counts_once() -> None:
    release = Release(AT, Holder("nic", ONE), NOON)
    for cooldown, now_with in ((True, Holder("cooling", ONE)), (False, None)):
        places, before = {AT: RESTING}, held(Holder("nic", ONE))
        settlement = settle_releases([release, release], places, before, cooldown=cooldown)
        assert settlement.released == [release]
        assert settlement.not_held == [(release, now_with)]


def test_nobody_releases_what_rests() -> None:
    cooling = Holder("cooling", ONE)
    release = Release(AT, cooling, NOON)
    before = held(cooling, NOON + MINUTE)
    settlement = settle_releases([release], {AT: RESTING}, before, cooldown=False)
    assert settlement.not_held == [(release, cooling)]
    assert settlement.deletes == []

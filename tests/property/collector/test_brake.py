"""The brake, for any inventory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.brake import BrakeRule, Missing, decide
from shared.events.inventory import KINDS, Kind

moids = st.frozensets(st.integers(0, 60).map(lambda n: f"o-{n}"), max_size=40)
by_kind = st.fixed_dictionaries(dict.fromkeys(KINDS, moids))
rules = st.builds(BrakeRule, st.floats(0, 100), st.integers(0, 20))


def known_with(missing: Missing, more: int) -> dict[Kind, int]:
    return {kind: len(missing[kind]) + more for kind in KINDS}


@given(by_kind, by_kind, st.integers(0, 100), rules, st.booleans())
def test_all_that_is_missing_goes_or_waits(
    missing: Missing, confirmed: Missing, more: int, rule: BrakeRule, released: bool
) -> None:
    verdict = decide(
        known=known_with(missing, more), missing=missing, confirmed=confirmed, rule=rule, released=released
    )
    for kind in KINDS:
        assert verdict.remove[kind] | verdict.hold[kind] == missing[kind]
        assert not verdict.remove[kind] & verdict.hold[kind]


@given(by_kind, by_kind, st.integers(0, 100), rules)
def test_g4_no_unconfirmed_removal_passes_the_limit(
    missing: Missing, confirmed: Missing, more: int, rule: BrakeRule
) -> None:
    known = known_with(missing, more)
    verdict = decide(known=known, missing=missing, confirmed=confirmed, rule=rule, released=False)
    for kind in KINDS:
        assert not rule.too_much(len(verdict.remove[kind] - confirmed[kind]), known[kind])


@given(by_kind, st.integers(0, 100), rules)
def test_a_second_snapshot_that_agrees_or_an_operator_lets_all_go(
    missing: Missing, more: int, rule: BrakeRule
) -> None:
    known = known_with(missing, more)
    for confirmed, released in ((missing, False), ({}, True)):
        verdict = decide(known=known, missing=missing, confirmed=confirmed, rule=rule, released=released)
        assert not any(verdict.hold.values())


@given(by_kind, st.integers(0, 100), rules)
def test_a_kind_over_the_limit_holds_every_kind(missing: Missing, more: int, rule: BrakeRule) -> None:
    known = known_with(missing, more)
    over = any(rule.too_much(len(missing[kind]), known[kind]) for kind in KINDS)
    verdict = decide(known=known, missing=missing, confirmed={}, rule=rule, released=False)
    assert any(verdict.remove.values()) is (any(missing.values()) and not over)

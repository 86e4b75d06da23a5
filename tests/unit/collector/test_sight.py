"""G4: what is loss of sight, and so no deletion."""

from __future__ import annotations

import pytest

from services.collector.domain.brake import BrakeRule
from services.collector.domain.changes import Signs
from services.collector.domain.sight import judge_leaves, judge_signs, judge_snapshot
from shared.events.inventory import KINDS, Kind

RULE = BrakeRule(20, 10)
NOTHING: dict[Kind, int] = dict.fromkeys(KINDS, 0)


@pytest.mark.parametrize(
    ("signs", "cause"),
    [
        (Signs(answered=3, not_authenticated=1), "session_ended"),
        (Signs(answered=3, blind=3), "blind_answer"),
        (Signs(answered=1, blind=1), "blind_answer"),
        (Signs(answered=3, essentials=2, hollow=2), "blind_answer"),
    ],
)
def test_g4_signs_of_a_session_that_sees_nothing(signs: Signs, cause: str) -> None:
    lost = judge_signs(signs)
    assert lost is not None
    assert lost.cause == cause


@pytest.mark.parametrize(
    "signs",
    [Signs(), Signs(answered=3), Signs(answered=3, blind=2), Signs(answered=3, essentials=2, hollow=1)],
)
def test_signs_of_a_session_that_sees(signs: Signs) -> None:
    assert judge_signs(signs) is None


def test_g4_too_many_leaving_at_once_is_looked_at_again() -> None:
    assert judge_leaves({**NOTHING, "vm": 21}, {**NOTHING, "vm": 100}, RULE) is not None
    assert judge_leaves({**NOTHING, "vm": 20}, {**NOTHING, "vm": 100}, RULE) is None
    assert judge_leaves({**NOTHING, "vm": 10}, {**NOTHING, "vm": 10}, RULE) is None


def test_g4_an_empty_vcenter_that_was_full_is_a_blind_one() -> None:
    assert judge_snapshot(NOTHING, {**NOTHING, "vm": 1}) is not None
    assert judge_snapshot(NOTHING, NOTHING) is None
    assert judge_snapshot({**NOTHING, "host": 1}, {**NOTHING, "vm": 1}) is None

"""Finding the object a person means."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.cli.names import nearest, pick
from services.cli.outcome import Refused


@dataclass(frozen=True)
class Thing:
    id: str
    name: str


THINGS = [Thing("1", "web-a"), Thing("2", "web-b"), Thing("3", "db"), Thing("4", "db"), Thing("5", "2")]


def _pick(wanted: str) -> Thing:
    return pick(
        "wire", wanted, THINGS, name=lambda t: t.name, keys=lambda t: [t.id], where=lambda t: f"({t.name})"
    )


def test_by_name_and_by_id() -> None:
    assert _pick("web-a").id == "1"
    assert _pick("3").id == "3"


def test_an_id_wins_over_a_name() -> None:
    assert _pick("2").name == "web-b"


def test_an_ambiguous_name_lists_the_candidates() -> None:
    with pytest.raises(Refused) as caught:
        _pick("db")
    assert caught.value.hint is not None
    assert "3  (db)" in caught.value.hint
    assert "4  (db)" in caught.value.hint


def test_a_mistyped_name_gets_the_nearest() -> None:
    with pytest.raises(Refused) as caught:
        _pick("WEB-C")
    assert caught.value.hint in {"Did you mean 'web-a' or 'web-b'?", "Did you mean 'web-b' or 'web-a'?"}


def test_nothing_near_shows_what_there_is() -> None:
    with pytest.raises(Refused) as caught:
        _pick("zzz")
    assert caught.value.hint == "Known: 2, db, web-a, web-b."


def test_nearest_forgives_case() -> None:
    assert nearest("PROD", ["prod", "test"]) == ["prod"]

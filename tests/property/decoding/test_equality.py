"""Whatever a vCenter says and however it spells it: our page is the one that pyVmomi's objects give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.collector.domain.changes import Page
from services.collector.vsphere.decoding.answers import by_tree, decode_page
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.decoding.unfamiliar import type_named, whole_answer
from services.collector.vsphere.reading import read_page
from tests.property.decoding.making import (
    COLLECTOR,
    EVERY_PATH,
    Maker,
    answers,
    declared,
    envelope,
    makers,
)
from tests.property.decoding.spelling import SPELLINGS, respelled

NOW = datetime(2026, 1, 5, tzinfo=UTC)
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def by_pyvmomi(body: bytes) -> Page:
    return read_page(whole_answer(body), NOW)


@unhurried
@given(answers)
def test_any_answer_decodes_as_with_pyvmomi(body: bytes) -> None:
    strays: Counter[str] = Counter()
    assert decode_page(body, NOW, strays=strays) == by_pyvmomi(body)
    assert not strays


@unhurried
@given(answers)
def test_the_way_over_the_tree_gives_the_same(body: bytes) -> None:
    tally = Tally()
    assert by_tree(body, NOW, tally) == by_pyvmomi(body)
    assert not tally.strays


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
@settings(parent=unhurried, max_examples=25)
@given(answers)
def test_spelling_does_not_matter(spelling: Callable[[str], str], body: bytes) -> None:
    other = respelled(body, spelling)
    page = decode_page(other, NOW)
    assert page == by_pyvmomi(other)
    assert page == decode_page(body, NOW)


@pytest.mark.parametrize(("type_name", "path"), EVERY_PATH, ids=lambda part: part)
@settings(parent=unhurried, max_examples=15)
@given(makers)
def test_every_watched_path_decodes_as_with_pyvmomi(type_name: str, path: str, maker: Maker) -> None:
    body = envelope(answer_with(maker, type_name, path))
    assert decode_page(body, NOW) == by_pyvmomi(body)


def answer_with(maker: Maker, type_name: str, path: str) -> Any:
    changes = [
        COLLECTOR.Change(name=path, op="assign", val=maker.value(declared(type_name, path))) for _ in range(3)
    ]
    entries = [
        COLLECTOR.ObjectUpdate(kind="modify", obj=type_named(type_name)("moid-1"), changeSet=[change])
        for change in changes
    ]
    update = COLLECTOR.FilterUpdate(filter=COLLECTOR.Filter("f"), objectSet=entries)
    return COLLECTOR.UpdateSet(version="1", filterSet=[update])


@unhurried
@given(answers, st.data())
def test_a_changed_byte_is_noticed_or_makes_no_difference(body: bytes, data: st.DataObject) -> None:
    """Where pyVmomi still reads the answer we read the same; where it does not we may know better."""
    begin, end = body.index(b"<returnval>"), body.index(b"</returnval>")
    at = data.draw(st.integers(begin, end))
    changed = body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :]
    try:
        expected = by_pyvmomi(changed)
    except Exception:  # noqa: BLE001  pyVmomi gives up with whatever it stumbles over
        expected = None
    if expected is not None:
        assert decode_page(changed, NOW) == expected


@unhurried
@given(answers, st.floats(0, 1, exclude_max=True))
def test_an_answer_that_breaks_off_is_never_a_page(body: bytes, part: float) -> None:
    """G4: half an answer is no news."""
    with pytest.raises(Exception):  # noqa: B017, PT011  any of several, none of them a page
        decode_page(body[: int(len(body) * part)], NOW)

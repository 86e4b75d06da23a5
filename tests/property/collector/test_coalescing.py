"""The schedule of telling: whatever changes whenever, nobody is told of late, often, or never."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.coalescing import Coalescing

VMS = st.sampled_from(["vm-1", "vm-2", "vm-3"])
CHANGES = st.lists(st.tuples(st.integers(0, 300), VMS), max_size=60)
"""Hundredths of a second since the change before, and whose change it is."""


def play(
    changes: list[tuple[int, str]], window: float
) -> tuple[list[tuple[float, str]], dict[str, list[float]]]:
    """When each VM was told of, and changed. Like in the stream, who is due comes before a next change."""
    schedule, now = Coalescing(window), 0.0
    told: list[tuple[float, str]] = []
    changed: dict[str, list[float]] = {}

    def tell(moids: list[str], at: float) -> None:
        told.extend((at, moid) for moid in moids)
        schedule.note(moids, at)

    def run_until(end: float | None) -> None:
        at = now
        while (wait := schedule.wait(at)) is not None and (end is None or at + wait <= end):
            at += wait
            due = schedule.due(at)
            assert due, "somebody waits, and nobody is due"
            tell(due, at)

    for pause, moid in changes:
        run_until(now + pause / 100)
        now += pause / 100
        changed.setdefault(moid, []).append(now)
        if schedule.may_tell(moid, now):
            tell([moid], now)
        schedule.forget_old(now)
    run_until(None)
    assert not schedule.holding
    return told, changed


@given(CHANGES, st.sampled_from([0.0, 0.25, 1.0, 5.0]))
def test_every_change_is_told_within_a_window_and_no_vm_twice_within_one(
    changes: list[tuple[int, str]], window: float
) -> None:
    told, changed = play(changes, window)
    for moid, times in changed.items():
        tellings = [at for at, who in told if who == moid]
        for time in times:
            assert any(time <= at <= time + window + 1e-6 for at in tellings)
        assert all(later - earlier >= window - 1e-6 for earlier, later in pairwise(tellings))


@given(CHANGES, st.sampled_from([0.25, 1.0]))
def test_who_was_quiet_is_told_of_at_once_whoever_else_flaps(
    changes: list[tuple[int, str]], window: float
) -> None:
    told, changed = play(changes, window)
    for moid, times in changed.items():
        tellings = [at for at, who in told if who == moid]
        for time in times:
            if not any(time - window - 1e-6 < at < time for at in tellings):
                assert time in tellings


@given(CHANGES, CHANGES, st.sampled_from([0.25, 1.0]))
def test_one_vm_s_schedule_is_the_same_with_and_without_others(
    own: list[tuple[int, str]], others: list[tuple[int, str]], window: float
) -> None:
    """Nobody starves: what others do moves no telling of this VM."""
    mine = _absolute([(pause, "mine") for pause, _ in own])
    theirs = _absolute([(pause, f"other {who}") for pause, who in others])
    alone, _ = play(_relative(mine), window)
    together, _ = play(_relative(sorted([*mine, *theirs])), window)
    assert [round(at, 6) for at, who in together if who == "mine"] == [round(at, 6) for at, _ in alone]


def _absolute(changes: list[tuple[int, str]]) -> list[tuple[int, str]]:
    found, now = [], 0
    for pause, who in changes:
        now += pause
        found.append((now, who))
    return found


def _relative(changes: list[tuple[int, str]]) -> list[tuple[int, str]]:
    times = [0, *(at for at, _ in changes)]
    return [(at - before, who) for before, (at, who) in zip(times, changes, strict=False)]

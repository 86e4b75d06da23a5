"""The fold of a VM's history (G3): in one go, in pieces, and against an oracle that looks at each moment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.allocator.domain.history import Entry, Hardware, Removed, Spoken, Track, fold
from services.allocator.domain.reports import Seen, link_local
from services.allocator.history_json import (
    base_of,
    base_text,
    detached_text,
    head_of,
    report_text,
    wires_text,
)
from shared.model.ordering import Order

START = datetime(2026, 1, 1, tzinfo=UTC)
WIRES = [UUID(int=n) for n in (1, 2)]
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "169.254.0.1"])
REPORTS = st.dictionaries(
    st.sampled_from([4000, 4001, -1]),
    st.lists(ADDRESSES, max_size=2, unique=True).map(lambda found: tuple(Seen(a) for a in sorted(found))),
    min_size=1,
)
HARDWARE = st.dictionaries(st.sampled_from([4000, 4001]), st.sampled_from(WIRES))


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Entries from old to new."""
    entries: list[Entry] = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        order, at = Order(1, number), START + timedelta(seconds=number)
        kind = draw(st.sampled_from(["vm", "guest", "guest", "removed"]))
        if kind == "vm":
            entries.append(Hardware(order, at, draw(HARDWARE)))
        elif kind == "guest":
            entries.append(Spoken(order, at, draw(REPORTS)))
        else:
            entries.append(Removed(order, at))
    return entries


@given(histories(), st.integers(0, 12), st.integers(0, 3))
def test_g3_folding_in_pieces_gives_what_folding_at_once_gives(
    history: list[Entry], cut: int, seconds: int
) -> None:
    pause = timedelta(seconds=seconds)
    assert fold(fold(Track(), history[:cut], pause), history[cut:], pause) == fold(Track(), history, pause)


@given(histories())
def test_what_is_open_is_what_an_observer_sees_at_the_end(history: list[Entry]) -> None:
    track = fold(Track(), history)
    seen_open = {(k.device_key, k.address, k.wire) for k, s in track.sightings.items() if s.ended_at is None}
    assert seen_open == _now(history)


@given(histories())
def test_g4_only_another_report_a_removal_or_a_lost_device_ends_a_sighting(history: list[Entry]) -> None:
    track = fold(Track(), history)
    ends = {entry.at for entry in history}
    for key, sighting in track.sightings.items():
        assert sighting.first_seen >= START
        assert sighting.since <= (sighting.ended_at or sighting.since)
        if sighting.ended_at is not None:
            assert sighting.ended_at in ends
            at = next(i for i, e in enumerate(history) if e.at == sighting.ended_at)
            assert (key.device_key, key.address, key.wire) not in _now(history[: at + 1])
            assert (key.device_key, key.address, key.wire) in _now(history[:at])


def _now(history: list[Entry]) -> set[tuple[int, str, UUID]]:
    """Looks back from the end: the last hardware, and for each device the last that was said since."""
    wires: dict[int, UUID] | None = None
    since = 0
    for place, entry in enumerate(history):
        if isinstance(entry, Removed):
            since, wires = place, None
        elif isinstance(entry, Hardware):
            wires = dict(entry.wires)
    if wires is None:
        return set()
    found = set()
    for device in (4000, 4001, -1):
        said: tuple[Seen, ...] = ()
        for entry in history[since:]:
            if isinstance(entry, Spoken) and device in entry.report:
                new = entry.report[device]
                lost = new and all(link_local(s.address) for s in new)
                if not (lost and any(not link_local(s.address) for s in said)):
                    said = new
        wire = UUID(int=0) if device == -1 else wires.get(device)
        if wire is not None:
            found |= {(device, s.address, wire) for s in said}
    return found


@given(histories())
def test_what_is_said_again_leaves_the_very_same_objects(history: list[Entry]) -> None:
    """By that the allocator tells that there is nothing to write."""
    track = fold(Track(), history)
    again = fold(track, [Spoken(Order(2, 1), START + timedelta(hours=1), track.report)])
    assert again == replace(track, order=Order(2, 1))
    assert again.report is track.report
    assert again.wires is track.wires
    assert again.sightings is track.sightings
    assert not again.closed


@given(histories(), histories())
def test_folding_on_leaves_the_track_before_as_it_was(first: list[Entry], second: list[Entry]) -> None:
    track, same = fold(Track(), first), fold(Track(), first)
    fold(track, [entry._replace(order=Order(2, entry.order.sequence)) for entry in second])
    assert track == same


@given(histories())
def test_a_track_is_stored_as_json_and_comes_back(history: list[Entry]) -> None:
    track = fold(Track(), history)
    wires = None if track.wires is None else wires_text(track.wires, track.macs, track.labels)
    row = (wires, report_text(track.report), detached_text(track.detached), track.left_at, track.void_at)
    assert replace(head_of(track.order, row), sightings=track.sightings) == track
    assert base_of(track.order, json.loads(base_text(track))) == track

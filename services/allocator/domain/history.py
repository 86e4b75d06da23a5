"""A VM's history at one place, folded into sightings: which address, on which port and wire, from when on.

The fold is the whole of G3 for a VM: what it gives depends on the facts and on their order in the vCenter,
not on the order in which they were heard. A late fact means folding again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.allocator.domain.reports import UNPLACED, Report, Seen, speak
from shared.model.ordering import BEFORE_ALL, Order

NO_PAUSE = timedelta(0)
NO_GRACE = timedelta(0)
UNKNOWN_WIRE = UUID(int=0)
"""The wire of a port whose network is missing or unreadable."""


class Hardware(NamedTuple):
    """The VM exists, with these devices: wire (or `UNKNOWN_WIRE`), MAC and label by device key."""

    order: Order
    at: datetime
    wires: Mapping[int, UUID]
    macs: Mapping[int, str] = {}
    labels: Mapping[int, str] = {}


class Spoken(NamedTuple):
    """Tools named addresses."""

    order: Order
    at: datetime
    report: Report


class Removed(NamedTuple):
    """The VM left this place."""

    order: Order
    at: datetime


Entry = Hardware | Spoken | Removed


class Detached(NamedTuple):
    """A device that the VM had until `at`, as it was then."""

    at: datetime
    wire: UUID
    mac: str | None = None
    label: str | None = None


class SightingKey(NamedTuple):
    """What a sighting is of, within one VM at one place."""

    device_key: int
    address: str
    wire: UUID


class Sighting(NamedTuple):
    """An address on a port and a wire. `first_seen` counts on this wire, `since` without a break on any."""

    first_seen: datetime
    since: datetime
    prefix: int | None = None
    gateway: str | None = None
    ended_at: datetime | None = None
    opened_at: datetime | None = None
    """When it was last seen on this wire after it had not been."""
    removed: bool = False
    """It ended with a fact about the hardware, not because the guest named other addresses."""
    gone: bool = False
    """That fact was that the device, or the VM, is there no more."""


class Period(NamedTuple):
    """For how long a device had an address on a wire, without a break.

    `ended` is the place of the fact that ended it, `mac` what the device had then.
    """

    key: SightingKey
    opened_at: datetime
    ended_at: datetime | None = None
    ended: Order | None = None
    mac: str | None = None


@dataclass(slots=True)
class Track:
    """The end of a history: what was said last, and all sightings. `wires` is None while there is no VM.

    `detached` are the devices that it had once, `left_at` is when the VM went last, even if it came back;
    `void_at` is when it last went for longer than the grace, and came back. `closed` are the periods that
    ended while it was folded, not those before.
    """

    order: Order = BEFORE_ALL
    wires: Mapping[int, UUID] | None = None
    report: Report = field(default_factory=dict)
    sightings: Mapping[SightingKey, Sighting] = field(default_factory=dict)
    macs: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)
    detached: Mapping[int, Detached] = field(default_factory=dict)
    left_at: datetime | None = None
    void_at: datetime | None = None
    closed: list[Period] = field(default_factory=list, compare=False)

    def open_periods(self) -> list[Period]:
        """Who has what now."""
        return [
            Period(key, s.opened_at or s.since) for key, s in self.sightings.items() if s.ended_at is None
        ]


def fold(
    track: Track, entries: Iterable[Entry], pause: timedelta = NO_PAUSE, grace: timedelta = NO_GRACE
) -> Track:
    """`track` continued with `entries`, all of them newer than it and from old to new.

    An address that guests leave out for less than `pause` they have had without a break; a VM that is away
    for no longer than `grace` was not away. What `entries` do not change is the same object as in `track`.
    """
    now = Track(
        track.order, track.wires, track.report, track.sightings, track.macs, track.labels, track.detached,
        track.left_at, track.void_at,
    )  # fmt: skip
    for entry in entries:
        assert entry.order > now.order, "a late entry needs the whole history folded again"  # noqa: S101
        now.order = entry.order
        if isinstance(entry, Hardware):
            _equip(now, entry, grace)
        elif isinstance(entry, Spoken):
            now.report = speak(now.report, entry.report)
        else:
            if now.wires is not None or now.left_at is None:
                now.left_at = entry.at
            now.wires, now.report = None, {}
        _settle(now, entry.at, pause, removed=not isinstance(entry, Spoken))
        if isinstance(entry, Hardware):
            now.macs = {key: mac for key, mac in now.macs.items() if key in entry.wires}
            now.labels = {key: label for key, label in now.labels.items() if key in entry.wires}
    return now


def _equip(track: Track, entry: Hardware, grace: timedelta) -> None:
    """The VM has these devices now."""
    if track.wires is None and track.left_at is not None and entry.at - track.left_at > grace:
        track.void_at = track.left_at
    lost = {
        key: Detached(entry.at, wire, track.macs.get(key), track.labels.get(key))
        for key, wire in (track.wires or {}).items()
    }
    had = {**track.detached, **lost}
    track.detached = {key: device for key, device in had.items() if key not in entry.wires}
    track.wires = entry.wires
    # Devices that are gone keep theirs: a period that ends with them is still to tell it.
    track.macs = {**track.macs, **entry.macs}
    track.labels = {**track.labels, **entry.labels}


def _settle(track: Track, at: datetime, pause: timedelta, *, removed: bool) -> None:
    """Open, carry over and end sightings so that they show what holds since `at`."""
    sightings = dict(track.sightings)
    was_open = {(key.device_key, key.address): key for key, s in sightings.items() if s.ended_at is None}
    still: set[SightingKey] = set()
    changed = False
    for device, seen, wire in _present(track):
        key = SightingKey(device, seen.address, wire)
        before = was_open.get((device, seen.address))
        known = sightings.get(key)
        since = _since(known, at, pause) if before is None else sightings[before].since
        first = at if known is None else min(known.first_seen, at)
        opened = known.opened_at if known is not None and known.ended_at is None else at
        now = Sighting(first, since, seen.prefix, seen.gateway, opened_at=opened)
        still.add(key)
        if now != known:
            sightings[key], changed = now, True
    for key in was_open.values():
        if key not in still:
            known = sightings[key]
            gone = removed and (track.wires is None or key.device_key not in track.wires)
            sightings[key], changed = known._replace(ended_at=at, removed=removed, gone=gone), True
            mac = track.macs.get(key.device_key)
            track.closed.append(Period(key, known.opened_at or known.since, at, track.order, mac))
    if changed:
        track.sightings = sightings


def _since(known: Sighting | None, at: datetime, pause: timedelta) -> datetime:
    if known is None or known.ended_at is None or known.removed or at - known.ended_at >= pause:
        return at
    return known.since


def _present(track: Track) -> Iterable[tuple[int, Seen, UUID]]:
    if track.wires is None:
        return
    for device, addresses in track.report.items():
        if device == UNPLACED:
            wire: UUID | None = UNKNOWN_WIRE
        else:
            wire = track.wires.get(device)
        if wire is not None:
            for seen in addresses:
                yield device, seen, wire

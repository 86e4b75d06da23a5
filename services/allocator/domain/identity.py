"""Where a VM lives when several places claim its instance UUID: moves, placeholders, copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.allocator.domain.history import NO_GRACE, Sighting, SightingKey


@dataclass(frozen=True, slots=True)
class Place:
    """A VM as one vCenter knows it. `gone_at` is its newest removal there, even if it came back."""

    vcenter: UUID
    moid: str
    removed: bool
    shadow: bool = False
    """A placeholder or a fault tolerance secondary: looks like the VM, is not."""
    appeared_at: datetime | None = None
    gone_at: datetime | None = None
    observed_at: datetime | None = None
    """Of the newest fact about the VM there."""
    lingering: bool = False
    """Removed, but so lately that what it had is kept for it."""
    void_at: datetime | None = None
    """When it last went for longer than the grace, before it came back."""
    back_from: datetime | None = None
    """When it last went, if it has come back within the grace."""
    detached: Mapping[int, datetime] = field(default_factory=dict)
    """When it lost the devices that it has no more, by key."""
    kept: frozenset[int] = frozenset()
    """Those of them that went so lately that what they had is kept for them."""

    @property
    def key(self) -> tuple[UUID, str]:
        """What identifies the place."""
        return self.vcenter, self.moid


def home_of(places: Iterable[Place]) -> Place | None:
    """The place where the VM lives: the one it appeared at last, of those it was not removed from.

    A VM that was removed from everywhere still lives where it was last, for as long as it is lingering there.
    """
    places = [p for p in places if p.appeared_at is not None]
    living = [p for p in places if not p.removed]
    if living:
        return max(living, key=lambda p: (not p.shadow, p.appeared_at, p.key))
    lingering = [p for p in places if p.lingering]
    return max(lingering, key=lambda p: (not p.shadow, p.gone_at, p.key), default=None)


def void_before(places: Iterable[Place], home: Place, grace: timedelta = NO_GRACE) -> datetime | None:
    """The last time the VM was gone altogether: what was said about it until then is void.

    A removal that came after the VM had appeared at its home is the end of a move; one that came no more than
    `grace` before was an absence that does not count, whether it came back under another id or the same.
    """
    gone = [
        p.gone_at
        for p in places
        if p.key != home.key
        and p.gone_at is not None
        and home.appeared_at is not None
        and p.gone_at < home.appeared_at - grace
    ]
    if home.void_at is not None:
        gone.append(home.void_at)
    return max(gone, default=None)


def living_sightings(
    places: Iterable[Place],
    sightings: Mapping[tuple[UUID, str], Mapping[SightingKey, Sighting]],
    grace: timedelta = NO_GRACE,
) -> set[tuple[tuple[UUID, str], SightingKey]]:
    """The sightings that count now.

    Those open at any place the VM is at: a copy with the same instance UUID uses its addresses, too (G7).
    While a VM that has moved has not spoken at its new place, what it said at the old one up to the end
    counts on (G4); so it does for one that came back, or may yet, within `grace`, and for devices.
    """
    places = list(places)
    home = home_of(places)
    if home is None:
        return set()
    open_now = {
        (p.key, key)
        for p in places
        if not p.removed
        for key, sighting in sightings.get(p.key, {}).items()
        if sighting.ended_at is None
    }
    return (open_now or _last_words(places, home, sightings, grace)) | {
        (home.key, key)
        for key, sighting in sightings.get(home.key, {}).items()
        if key.device_key in home.kept and sighting.ended_at == home.detached[key.device_key]
    }


def _last_words(
    places: Iterable[Place],
    home: Place,
    sightings: Mapping[tuple[UUID, str], Mapping[SightingKey, Sighting]],
    grace: timedelta,
) -> set[tuple[tuple[UUID, str], SightingKey]]:
    """What was seen when the VM left the place where it was last."""
    left = [
        (p.gone_at, p.key)
        for p in places
        if p.removed and p.gone_at is not None and p.gone_at >= (home.appeared_at or p.gone_at) - grace
    ]
    if home.back_from is not None:
        left.append((home.back_from, home.key))
    for gone_at, place in sorted(left, reverse=True):
        last_words = {
            (place, key)
            for key, sighting in sightings.get(place, {}).items()
            if sighting.ended_at == gone_at and sighting.gone
        }
        if last_words:
            return last_words
    return set()

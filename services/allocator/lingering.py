"""VMs and devices removed so lately that what they had is kept, until their vCenter's time has gone on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.allocator.domain.history import NO_GRACE, Sighting, Track
from services.allocator.domain.identity import Place
from services.allocator.objects import Key
from services.allocator.tables import CHANGING, LINGERING
from services.allocator.vm_rows import VmAt
from shared.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Grace:
    """How long a removal waits, and how far each vCenter's time has come.

    Time is what the vCenter's facts say, never a clock: a rebuild comes to the same, and while a vCenter is
    out of sight nothing is released.
    """

    span: timedelta = NO_GRACE
    change: timedelta = NO_GRACE
    """How long another address must have been reported until it takes the place of the one before."""
    current_to: Mapping[UUID, datetime] = field(default_factory=dict)

    def place_of(self, vm: VmAt, track: Track) -> Place:
        """Where the VM is, or was, and what lingers there: itself, or devices that `track` knows of."""
        vcenter, moid = vm.key
        removed = vm.standing.removed
        lingers = removed and self._lately(vcenter, vm.gone_at)
        detached = {key: device.at for key, device in track.detached.items()}
        back = not removed and track.left_at != track.void_at
        return Place(
            vcenter,
            moid,
            removed,
            vm.shadow,
            vm.appeared_at,
            vm.gone_at,
            lingering=lingers,
            void_at=track.void_at,
            back_from=track.left_at if back else None,
            detached=detached,
            kept=frozenset(
                key for key, at in detached.items() if self._lately(vcenter, at) and (lingers or not removed)
            ),
        )

    def _lately(self, vcenter: UUID, gone_at: datetime | None) -> bool:
        if not self.span or gone_at is None:
            return False
        now = self.current_to.get(vcenter)
        return now is None or gone_at + self.span > now

    def fresh(self, vcenter: UUID, sighting: Sighting) -> bool:
        """Whether an address that Tools report may have to stay for a while yet."""
        now = self.current_to.get(vcenter)
        return sighting.ended_at is None and (now is None or sighting.since + self.change > now)

    def kept(self, vcenter: UUID, sighting: Sighting) -> bool:
        """Whether an address that Tools report no more counts on: it had settled, and has ended lately."""
        if not self.change or sighting.ended_at is None or sighting.removed:
            return False
        now = self.current_to.get(vcenter)
        lately = now is None or sighting.ended_at + self.change > now
        return lately and sighting.ended_at - sighting.since >= self.change


async def read_grace(conn: Connection, span: timedelta, change: timedelta) -> Grace:
    """The grace of now."""
    if not (span or change):
        return Grace()
    rows = await conn.fetch("SELECT id, current_to FROM inventory.vcenter")
    return Grace(span, change, {row["id"]: row["current_to"] for row in rows})


async def read_due(conn: Connection, span: timedelta, change: timedelta) -> set[Key]:
    """Where VMs or devices lingered, or kept addresses, whose time is over."""
    rows = await conn.fetch(
        """
        SELECT l.vcenter_id, l.moid FROM inventory.lingering l
        JOIN inventory.vcenter c ON c.id = l.vcenter_id
        WHERE l.gone_at + $1::interval <= c.current_to OR $1 = interval '0'
        UNION
        SELECT l.vcenter_id, l.moid FROM inventory.changing l
        JOIN inventory.vcenter c ON c.id = l.vcenter_id
        WHERE l.since + $2::interval <= c.current_to OR $2 = interval '0'
        """,
        span,
        change,
    )
    return {(row["vcenter_id"], row["moid"]) for row in rows}


async def write_lingering(conn: Connection, places: Iterable[Place]) -> None:
    """Note where something lingers now, and since when; and where nothing does any more."""
    at = {place.key: place for place in places}
    known = await conn.fetch(
        "SELECT vcenter_id, moid, gone_at FROM inventory.lingering "
        "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)",
        [key[0] for key in at],
        [key[1] for key in at],
    )
    before = {(row["vcenter_id"], row["moid"]): row["gone_at"] for row in known}
    after = {key: gone for key, place in at.items() if (gone := _first_end(place)) is not None}
    await LINGERING.delete(conn, before.keys() - after.keys())
    await LINGERING.upsert(conn, [(*k, gone) for k, gone in after.items() if before.get(k) != gone])


def _first_end(place: Place) -> datetime | None:
    ends = [place.detached[key] for key in place.kept]
    if place.lingering and place.gone_at is not None:
        ends.append(place.gone_at)
    return min(ends, default=None)


async def write_changing(conn: Connection, grace: Grace, tracks: Mapping[Key, Track]) -> None:
    """Note at which places an address counts that Tools report no more, and until when at most."""
    rows = await conn.fetch(
        "SELECT vcenter_id, moid, since FROM inventory.changing "
        "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)",
        [key[0] for key in tracks],
        [key[1] for key in tracks],
    )
    before = {(row["vcenter_id"], row["moid"]): row["since"] for row in rows}
    after: dict[Key, datetime] = {}
    for key, track in tracks.items():
        ends = [s.ended_at for s in track.sightings.values() if grace.kept(key[0], s)]
        kept = [end for end in ends if end is not None]
        if kept:
            after[key] = min(kept + [s.since for s in track.sightings.values() if grace.fresh(key[0], s)])
    await CHANGING.delete(conn, before.keys() - after.keys())
    await CHANGING.upsert(conn, [(*k, end) for k, end in after.items() if before.get(k) != end])

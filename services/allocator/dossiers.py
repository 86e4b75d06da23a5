"""What is on file about VMs at their places, read together for a batch of facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.allocator.domain.history import Sighting, SightingKey, Track
from services.allocator.history_json import HEAD_COLUMNS, head_of
from services.allocator.objects import Key
from services.allocator.sighting_rows import Tagged, read_sightings
from services.allocator.vm_rows import VM_COLUMNS, VmAt, vm_of
from shared.model.ordering import BEFORE_ALL, Order
from shared.store.pool import Connection


@dataclass(slots=True, eq=False)
class Dossier:
    """A VM at one place: as it was on file, and as it is with what a batch tells."""

    vm_before: VmAt
    vm: VmAt
    track_before: Track
    track: Track
    tags: Mapping[SightingKey, Tagged] = field(default_factory=dict)
    """The sightings as they were."""
    elsewhere: bool = False
    """The same VM is, or was, at other places, too."""

    @property
    def key(self) -> Key:
        """What identifies the place."""
        return self.vm.key

    def has_new_head(self) -> bool:
        """Whether what was said last, of devices or addresses, differs from what is on file."""
        before, now = self.track_before, self.track
        return now.report is not before.report or now.wires is not before.wires or self.has_new_absences()

    def has_new_absences(self) -> bool:
        """Whether the VM, or devices of it, went at other times than is on file."""
        before, now = self.track_before, self.track
        return (before.detached, before.left_at, before.void_at) != (now.detached, now.left_at, now.void_at)

    def has_news(self) -> bool:
        """Whether anything differs from what is on file, but that the same was said again."""
        return (
            self.vm is not self.vm_before
            or self.track.sightings is not self.track_before.sightings
            or self.has_new_head()
        )


async def read_dossiers(conn: Connection, keys: Collection[Key]) -> dict[Key, Dossier]:
    """What is on file at each of these places; of those not known yet, nothing."""
    asked = list(keys)
    vcenters, moids = [key[0] for key in asked], [key[1] for key in asked]
    rows = await conn.fetch(
        f"""
        SELECT k.n - 1, {VM_COLUMNS},
               EXISTS (
                   SELECT FROM inventory.vm o
                   WHERE o.vm_id = v.vm_id AND (o.vcenter_id, o.moid) <> (v.vcenter_id, v.moid)
               ),
               t.epoch, t.sequence, {HEAD_COLUMNS}
        FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (vcenter_id, moid, n)
        LEFT JOIN inventory.vm v USING (vcenter_id, moid)
        LEFT JOIN inventory.vm_head h USING (vcenter_id, moid)
        LEFT JOIN LATERAL (
            SELECT t.epoch, t.sequence FROM inventory.vm_history t
            WHERE t.vcenter_id = k.vcenter_id AND t.moid = k.moid
            ORDER BY t.epoch DESC, t.sequence DESC LIMIT 1
        ) t ON true
        """,  # noqa: S608  columns are ours
        vcenters,
        moids,
    )
    sightings: list[dict[SightingKey, Sighting]] = [{} for _ in asked]
    tags: list[dict[SightingKey, Tagged]] = [{} for _ in asked]
    for place, key, tagged in await read_sightings(conn, vcenters, moids):
        sightings[place][key] = tagged.sighting
        tags[place][key] = tagged
    dossiers: dict[Key, Dossier] = {}
    for place, *of_vm, elsewhere, epoch, sequence, wires, report, detached, left_at, void_at in rows:
        key = asked[place]
        vm = VmAt(key) if of_vm[0] is None else vm_of(key, of_vm)
        newest = BEFORE_ALL if epoch is None else Order(epoch, sequence)
        if report is None:
            track = Track(newest)
        else:
            track = head_of(newest, (wires, report, detached, left_at, void_at))
        track.sightings = sightings[place]
        dossiers[key] = Dossier(vm, vm, track, track, tags[place], elsewhere)
    return dossiers


async def read_same_vms(conn: Connection, vms: Iterable[UUID], known: Collection[Key]) -> dict[Key, Dossier]:
    """What is on file at every place at which these VMs are, or were, besides those `known`."""
    asked = list(vms)
    if not asked:
        return {}
    rows = await conn.fetch(
        "SELECT vcenter_id, moid FROM inventory.vm WHERE vm_id = ANY ($1::uuid[])",
        asked,
    )
    return await read_dossiers(conn, [key for row in rows if (key := (row[0], row[1])) not in known])

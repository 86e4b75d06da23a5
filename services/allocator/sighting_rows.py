"""Sightings as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from services.allocator.domain.history import Sighting, SightingKey
from services.allocator.objects import Key
from services.allocator.tables import SIGHTING
from shared.model.identifiers import port_id
from shared.store.pool import Connection


class Tagged(NamedTuple):
    """A sighting with whose it is and whether it counts."""

    sighting: Sighting
    vm: UUID | None
    live: bool


Tags = Mapping[SightingKey, Tagged]
"""The sightings at one place."""


class Difference(NamedTuple):
    """A sighting that is another one now, new, or none any more."""

    place: Key
    key: SightingKey
    before: Tagged | None
    after: Tagged | None


async def read_sightings(
    conn: Connection, vcenters: list[UUID], moids: list[str]
) -> list[tuple[int, SightingKey, Tagged]]:
    """All sightings at these places, each with the number of its place among them, from 0."""
    rows = await conn.fetch(
        """
        SELECT k.n - 1, s.device_key, host(s.address), s.wire_id, s.vm_id, s.live, s.first_seen, s.since,
               s.prefix, host(s.gateway), s.ended_at, s.opened_at, s.removed, s.gone
        FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (vcenter_id, moid, n)
        JOIN inventory.sighting s USING (vcenter_id, moid)
        """,
        vcenters,
        moids,
    )
    return [
        (place, SightingKey(device, address, wire), Tagged(Sighting(*seen), vm, live))
        for place, device, address, wire, vm, live, *seen in rows
    ]


async def write_sightings(conn: Connection, places: Iterable[tuple[Key, Tags, Tags]]) -> list[Difference]:
    """Store what differs between before and after, by place, and return what does."""
    different: list[Difference] = []
    for place, before, after in places:
        different += [Difference(place, key, old, None) for key, old in before.items() if key not in after]
        different += [
            Difference(place, key, old, new) for key, new in after.items() if (old := before.get(key)) != new
        ]
    await SIGHTING.delete(conn, [(*d.place, *d.key) for d in different if d.after is None])
    await SIGHTING.upsert(conn, [_row(d.place, d.key, d.after) for d in different if d.after is not None])
    return different


def _row(place: Key, key: SightingKey, tagged: Tagged) -> tuple[Any, ...]:
    s = tagged.sighting
    port = None if tagged.vm is None else port_id(tagged.vm, key.device_key)
    return (
        *place, *key, tagged.vm, port, s.prefix, s.gateway, s.first_seen, s.since, s.ended_at, s.opened_at,
        s.removed, s.gone, tagged.live,
    )  # fmt: skip

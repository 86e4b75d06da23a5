"""Periods of addresses on devices, as rows: what "who had it on Tuesday" is answered from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.allocator.domain.history import Period, Track
from services.allocator.objects import Key
from services.allocator.sighting_rows import Tags
from services.allocator.tables import TENURE
from shared.model.ordering import Order
from shared.store.pool import Connection


async def write_tenures(
    conn: Connection,
    tracks: Mapping[Key, Track],
    folded: Mapping[Key, Order | None],
    before: Tags,
) -> None:
    """Store the periods of the histories that were folded.

    `folded` tells how: from the end of what was known (None), or again from a base of that order: then what
    followed from the facts after it is replaced. `before` are the sightings as they were.
    """
    again = {key: base for key, base in folded.items() if base is not None}
    await _forget(conn, again)
    rows: list[tuple[Any, ...]] = []
    for key in folded:
        track = tracks[key]
        rows += [_row(key, period) for period in track.closed]
        rows += [
            _row(key, period)
            for period in track.open_periods()
            if key in again or _is_new(key, period, before)
        ]
    await TENURE.upsert(conn, rows)


async def _forget(conn: Connection, again: Mapping[Key, Order]) -> None:
    if not again:
        return
    await conn.execute(
        """
        DELETE FROM inventory.tenure t
        USING unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
            AS k (vcenter_id, moid, epoch, sequence)
        WHERE t.vcenter_id = k.vcenter_id AND t.moid = k.moid
          AND (t.ended_at IS NULL OR (t.ended_epoch, t.ended_sequence) > (k.epoch, k.sequence))
        """,
        [key[0] for key in again],
        [key[1] for key in again],
        [order.epoch for order in again.values()],
        [order.sequence for order in again.values()],
    )


def _is_new(place: Key, period: Period, before: Tags) -> bool:
    known = before.get((place, period.key))
    return (
        known is None or known.sighting.ended_at is not None or known.sighting.opened_at != period.opened_at
    )


def _row(place: Key, period: Period) -> tuple[Any, ...]:
    ended: Iterable[int | None] = (None, None) if period.ended is None else period.ended
    return (*place, *period.key, period.opened_at, period.ended_at, *ended, period.mac)

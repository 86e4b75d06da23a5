"""Periods of addresses on devices, as rows: what "who had it on Tuesday" is answered from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.allocator.domain.history import Period, Track
from services.allocator.dossiers import Dossier
from services.allocator.objects import Key
from services.allocator.tables import TENURE
from shared.model.ordering import Order
from shared.store.pool import Connection


async def write_tenures(conn: Connection, folded: Iterable[tuple[Dossier, Order | None]]) -> None:
    """Store the periods of the histories that were folded.

    Each comes with how it was: from the end of what was known (None), or again from a base of that order:
    then what followed from the facts after it is replaced.
    """
    again: dict[Key, Order] = {}
    rows: list[tuple[Any, ...]] = []
    for dossier, base in folded:
        key, track = dossier.key, dossier.track
        if base is not None:
            again[key] = base
        elif track.sightings is dossier.track_before.sightings:
            continue
        rows += [_row(key, period) for period in track.closed]
        rows += [
            _row(key, period)
            for period in track.open_periods()
            if base is not None or _is_new(period, dossier.track_before)
        ]
    await _forget(conn, again)
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


def _is_new(period: Period, before: Track) -> bool:
    known = before.sightings.get(period.key)
    return known is None or known.ended_at is not None or known.opened_at != period.opened_at


def _row(place: Key, period: Period) -> tuple[Any, ...]:
    ended: Iterable[int | None] = (None, None) if period.ended is None else period.ended
    return (*place, *period.key, period.opened_at, period.ended_at, *ended, period.mac)

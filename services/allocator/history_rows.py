"""Histories as rows: every fact that bears on a VM's addresses, and what they come to in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import Entry, Hardware, Removed, Spoken, Track
from services.allocator.history_json import (
    base_of,
    base_text,
    detached_text,
    devices_of,
    report_of_json,
    report_text,
    wires_text,
)
from services.allocator.objects import Key
from services.allocator.tables import HEAD, HISTORY
from shared.model.ordering import Order
from shared.store.pool import Connection


async def append_history(
    conn: Connection, entries: Mapping[Key, Sequence[Entry]], newest: Mapping[Key, Order]
) -> dict[Key, list[Entry]]:
    """Keep `entries`, and return those that were not known, from old to new.

    `newest` has the order of the newest that is known at each place: what is newer can't be known.
    """
    told = {key: {entry.order: entry for entry in at} for key, at in entries.items()}
    ahead: list[tuple[Any, ...]] = []
    behind: list[tuple[Any, ...]] = []
    for key, by_order in told.items():
        known = newest[key]
        for order, entry in by_order.items():
            (ahead if order > known else behind).append((*key, *order, entry.at, *_content(entry)))
    await HISTORY.insert(conn, ahead)
    late = await HISTORY.insert_new(conn, behind)
    fresh: dict[Key, list[Entry]] = {}
    for key, by_order in told.items():
        known = newest[key]
        unknown = [by_order[o] for o in sorted(by_order) if o > known or (*key, *o) in late]
        if unknown:
            fresh[key] = unknown
    return fresh


async def read_history(conn: Connection, keys: Iterable[Key]) -> dict[Key, tuple[Track, list[Entry]]]:
    """The history at each place: what its forgotten beginning came to, and the rest from old to new.

    Entries older than that beginning are too late to count, and left out.
    """
    asked = list(keys)
    if not asked:
        return {}
    rows = await conn.fetch(
        "SELECT h.* FROM inventory.vm_history h JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) "
        "USING (vcenter_id, moid) ORDER BY epoch, sequence",
        *_split(asked),
    )
    history: dict[Key, tuple[Track, list[Entry]]] = {key: (Track(), []) for key in asked}
    for row in rows:
        key = (row["vcenter_id"], row["moid"])
        if row["kind"] == "base":
            history[key] = (base_of(Order(row["epoch"], row["sequence"]), row["content"]), [])
        else:
            history[key][1].append(_entry(row))
    return history


async def write_base(conn: Connection, tracks: Mapping[Key, Track]) -> None:
    """Put what histories came to in place of all entries up to there."""
    keys = list(tracks)
    await conn.execute(
        """
        DELETE FROM inventory.vm_history h
        USING unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
            AS k (vcenter_id, moid, epoch, sequence)
        WHERE h.vcenter_id = k.vcenter_id AND h.moid = k.moid
          AND (h.epoch, h.sequence) <= (k.epoch, k.sequence)
        """,
        *_split(keys),
        [tracks[key].order.epoch for key in keys],
        [tracks[key].order.sequence for key in keys],
    )
    rows = [(*key, *track.order, _last(track), "base", base_text(track)) for key, track in tracks.items()]
    await HISTORY.upsert(conn, rows)


async def write_heads(conn: Connection, tracks: Mapping[Key, Track]) -> None:
    """Store the ends of histories."""
    await HEAD.upsert(
        conn,
        [
            (
                *key,
                None if track.wires is None else wires_text(track.wires, track.macs, track.labels),
                report_text(track.report),
                detached_text(track.detached),
                track.left_at,
                track.void_at,
            )
            for key, track in tracks.items()
        ],
    )


def _content(entry: Entry) -> tuple[str, str | None]:
    if isinstance(entry, Spoken):
        return "guest", report_text(entry.report)
    if isinstance(entry, Hardware):
        return "vm", wires_text(entry.wires, entry.macs, entry.labels)
    return "removed", None


def _entry(row: Record) -> Entry:
    order, at, content = Order(row["epoch"], row["sequence"]), row["observed_at"], row["content"]
    if row["kind"] == "vm":
        wires, macs, labels = devices_of(content)
        return Hardware(order, at, wires or {}, macs, labels)
    if row["kind"] == "guest":
        return Spoken(order, at, report_of_json(content))
    return Removed(order, at)


def _last(track: Track) -> datetime:
    """Some time of the history's beginning; of no meaning, but the column wants one."""
    times = [t for s in track.sightings.values() for t in (s.first_seen, s.ended_at) if t is not None]
    return max(times, default=datetime.fromtimestamp(0, UTC))


def _split(keys: Sequence[Key]) -> tuple[list[UUID], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys]

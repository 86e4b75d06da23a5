"""Histories and sightings as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.history import (
    Detached,
    Entry,
    Hardware,
    Removed,
    Sighting,
    SightingKey,
    Spoken,
    Track,
)
from services.allocator.domain.reports import Seen
from services.allocator.objects import Key
from services.allocator.tables import HEAD, HISTORY, SIGHTING
from shared.model.identifiers import port_id
from shared.model.ordering import Order
from shared.store.pool import Connection

_AT_PLACES = "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)"


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sighting with whose it is and whether it counts."""

    sighting: Sighting
    vm: UUID | None
    live: bool


Tags = dict[tuple[Key, SightingKey], Tagged]


async def read_tracks(conn: Connection, keys: Iterable[Key]) -> tuple[dict[Key, Track], Tags]:
    """The end of the history at each place, and its sightings with their tags."""
    vcenters, moids = _split(keys)
    heads = await conn.fetch(
        f"SELECT h.* FROM inventory.vm_head h {_AT_PLACES}",  # noqa: S608
        vcenters,
        moids,
    )
    tracks = {
        (row["vcenter_id"], row["moid"]): Track(
            Order(row["epoch"], row["sequence"]),
            _wires(row["wires"]),
            _report(row["report"]),
            macs=_noted(row["wires"], 1),
            labels=_noted(row["wires"], 2),
            detached=_detached(row["detached"]),
            left_at=row["left_at"],
            void_at=row["void_at"],
        )
        for row in heads
    }
    tags: Tags = {}
    rows = await conn.fetch(
        f"""
        SELECT s.vcenter_id, s.moid, s.device_key, host(s.address) AS address, s.wire_id, s.vm_id, s.prefix,
               host(s.gateway) AS gateway, s.first_seen, s.since, s.ended_at, s.opened_at, s.removed, s.gone,
               s.live
        FROM inventory.sighting s {_AT_PLACES}
        """,  # noqa: S608
        vcenters,
        moids,
    )
    for row in rows:
        place = (row["vcenter_id"], row["moid"])
        key = SightingKey(row["device_key"], row["address"], row["wire_id"])
        sighting = Sighting(
            row["first_seen"], row["since"], row["prefix"], row["gateway"], row["ended_at"], row["opened_at"],
            row["removed"], row["gone"],
        )  # fmt: skip
        tracks.setdefault(place, Track()).sightings[key] = sighting
        tags[place, key] = Tagged(sighting, row["vm_id"], row["live"])
    return tracks, tags


async def append_history(conn: Connection, entries: Mapping[Key, Iterable[Entry]]) -> dict[Key, list[Entry]]:
    """Keep `entries`, and return those that were not known, from old to new."""
    rows = {
        (*key, *entry.order): (*key, *entry.order, entry.at, *_content(entry))
        for key, told in entries.items()
        for entry in told
    }
    new = await HISTORY.insert_new(conn, rows.values())
    fresh: dict[Key, list[Entry]] = {}
    for key, told in entries.items():
        unknown = {entry.order: entry for entry in told if (*key, *entry.order) in new}
        if unknown:
            fresh[key] = [unknown[order] for order in sorted(unknown)]
    return fresh


async def read_history(conn: Connection, keys: Iterable[Key]) -> dict[Key, tuple[Track, list[Entry]]]:
    """The history at each place: what its forgotten beginning came to, and the rest from old to new.

    Entries older than that beginning are too late to count, and left out.
    """
    asked = list(keys)
    if not asked:
        return {}
    rows = await conn.fetch(
        f"SELECT h.* FROM inventory.vm_history h {_AT_PLACES} ORDER BY epoch, sequence",  # noqa: S608
        *_split(asked),
    )
    history: dict[Key, tuple[Track, list[Entry]]] = {key: (Track(), []) for key in asked}
    for row in rows:
        key = (row["vcenter_id"], row["moid"])
        if row["kind"] == "base":
            history[key] = (_base(row), [])
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
    rows = [
        (*key, *track.order, _last(track), "base", _json(_base_out(track))) for key, track in tracks.items()
    ]
    await HISTORY.upsert(conn, rows)


async def write_heads(conn: Connection, tracks: Mapping[Key, Track]) -> None:
    """Store the ends of histories."""
    await HEAD.upsert(
        conn,
        [
            (
                *key,
                *track.order,
                None if track.wires is None else _json(_wires_out(track.wires, track.macs, track.labels)),
                _json(_report_out(track.report)),
                _json(_detached_out(track.detached)),
                track.left_at,
                track.void_at,
            )
            for key, track in tracks.items()
        ],
    )


async def write_sightings(conn: Connection, before: Tags, after: Tags) -> set[tuple[Key, SightingKey]]:
    """Store what differs, and return what does."""
    changed = {key for key, tagged in after.items() if before.get(key) != tagged}
    gone = before.keys() - after.keys()
    await SIGHTING.delete(conn, [(*place, *key) for place, key in gone])
    await SIGHTING.upsert(conn, [_row(place, key, after[place, key]) for place, key in changed])
    return changed | gone


def _row(place: Key, key: SightingKey, tagged: Tagged) -> tuple[Any, ...]:
    s = tagged.sighting
    port = None if tagged.vm is None else port_id(tagged.vm, key.device_key)
    return (
        *place, *key, tagged.vm, port, s.prefix, s.gateway, s.first_seen, s.since, s.ended_at, s.opened_at,
        s.removed, s.gone, tagged.live,
    )  # fmt: skip


def _content(entry: Entry) -> tuple[str, str | None]:
    if isinstance(entry, Hardware):
        return "vm", _json(_wires_out(entry.wires, entry.macs, entry.labels))
    if isinstance(entry, Spoken):
        return "guest", _json(_report_out(entry.report))
    return "removed", None


def _entry(row: Record) -> Entry:
    order, at, content = Order(row["epoch"], row["sequence"]), row["observed_at"], row["content"]
    if row["kind"] == "vm":
        return Hardware(order, at, _wires(content) or {}, _noted(content, 1), _noted(content, 2))
    if row["kind"] == "guest":
        return Spoken(order, at, _report(content))
    return Removed(order, at)


def _base_out(track: Track) -> dict[str, Any]:
    return {
        "wires": None if track.wires is None else _wires_out(track.wires, track.macs, track.labels),
        "detached": _detached_out(track.detached),
        "left_at": _time_out(track.left_at),
        "void_at": _time_out(track.void_at),
        "report": _report_out(track.report),
        "sightings": [
            [
                key.device_key,
                key.address,
                str(key.wire),
                s.first_seen.isoformat(),
                s.since.isoformat(),
                s.prefix,
                s.gateway,
                _time_out(s.ended_at),
                _time_out(s.opened_at),
                s.removed,
                s.gone,
            ]
            for key, s in sorted(track.sightings.items())
        ],
    }


def _base(row: Record) -> Track:
    content = row["content"]
    wires = content["wires"]
    order = Order(row["epoch"], row["sequence"])
    track = Track(
        order,
        _wires(wires),
        _report(content["report"]),
        macs=_noted(wires, 1),
        labels=_noted(wires, 2),
        detached=_detached(content["detached"]),
        left_at=_time(content["left_at"]),
        void_at=_time(content["void_at"]),
    )
    for device, address, wire, first, since, prefix, gateway, ended, opened, *how in content["sightings"]:
        track.sightings[SightingKey(device, address, UUID(wire))] = Sighting(
            datetime.fromisoformat(first),
            datetime.fromisoformat(since),
            prefix,
            gateway,
            _time(ended),
            _time(opened),
            *how,
        )
    return track


def _last(track: Track) -> datetime:
    """Some time of the history's beginning; of no meaning, but the column wants one."""
    times = [t for s in track.sightings.values() for t in (s.first_seen, s.ended_at) if t is not None]
    return max(times, default=datetime.fromtimestamp(0, UTC))


def _wires(content: Mapping[str, list[str | None]] | None) -> dict[int, UUID] | None:
    return None if content is None else {int(key): UUID(said[0]) for key, said in content.items()}


def _noted(content: Mapping[str, list[str | None]] | None, which: int) -> dict[int, str]:
    """The MACs (1) or labels (2) of devices."""
    return {int(key): noted for key, said in (content or {}).items() if (noted := said[which]) is not None}


def _detached(content: Mapping[str, list[str | None]]) -> dict[int, Detached]:
    return {
        int(key): Detached(datetime.fromisoformat(str(at)), UUID(wire), mac, label)
        for key, (at, wire, mac, label) in content.items()
    }


def _report(content: Mapping[str, Any]) -> dict[int, tuple[Seen, ...]]:
    return {int(key): tuple(Seen(*seen) for seen in addresses) for key, addresses in content.items()}


def _wires_out(
    wires: Mapping[int, UUID], macs: Mapping[int, str], labels: Mapping[int, str]
) -> dict[str, list[str | None]]:
    return {str(key): [str(wire), macs.get(key), labels.get(key)] for key, wire in sorted(wires.items())}


def _detached_out(devices: Mapping[int, Detached]) -> dict[str, list[str | None]]:
    return {str(key): [d.at.isoformat(), str(d.wire), d.mac, d.label] for key, d in sorted(devices.items())}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _time_out(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _report_out(report: Mapping[int, tuple[Seen, ...]]) -> dict[str, list[list[object]]]:
    return {str(key): [list(seen) for seen in addresses] for key, addresses in sorted(report.items())}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _split(keys: Iterable[Key]) -> tuple[list[UUID], list[str]]:
    asked = list(keys)
    return [key[0] for key in asked], [key[1] for key in asked]

"""Facts about VMs and their guests: into rows, histories, sightings; and what has to be settled for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.allocator.batch import Dirty, Glimpse, Occasion
from services.allocator.domain.history import (
    NO_GRACE,
    UNKNOWN_WIRE,
    Entry,
    Hardware,
    Removed,
    SightingKey,
    Spoken,
    Track,
    fold,
)
from services.allocator.domain.identity import Place, home_of, living_sightings
from services.allocator.domain.reports import report_of
from services.allocator.lingering import read_due, read_grace, write_changing, write_lingering
from services.allocator.objects import Key, told_by_key
from services.allocator.sighting_rows import (
    Tagged,
    Tags,
    append_history,
    read_history,
    read_tracks,
    write_heads,
    write_sightings,
)
from services.allocator.tenures import write_tenures
from services.allocator.vm_rows import (
    VmAt,
    kept_ports,
    learn,
    read_described_ports,
    read_places,
    read_ports,
    read_same_vms,
    write_ports,
    write_vms,
)
from shared.events.base import Fact
from shared.events.envelope import Envelope
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import VmChanged, VmRemoved
from shared.model.identifiers import port_id, wire_id
from shared.model.ordering import BEFORE_ALL, Order
from shared.store.pool import Connection

VmFact = VmChanged | VmRemoved | GuestAddressesChanged


async def apply_vms(
    conn: Connection,
    envelopes: Sequence[Envelope[VmFact]],
    occasion: Occasion,
    span: timedelta = NO_GRACE,
    change: timedelta = NO_GRACE,
) -> Dirty:
    """Take in facts about VMs and guests, and tell what has to be settled for them.

    `span` is how long a removal waits until it counts, `change` how long another address does.
    """
    due = await read_due(conn, span, change)
    if not (envelopes or due):
        return Dirty()
    await _apply_guests(conn, [e for e in envelopes if isinstance(e.data, GuestAddressesChanged)])
    entries = _entries(envelopes)
    keys = {(e.data.vcenter, e.data.moid) for e in envelopes} | due
    before = await read_places(conn, keys)
    facts = told_by_key([e for e in envelopes if not isinstance(e.data, GuestAddressesChanged)], VmChanged)
    after = {key: learn(vm, facts.get(key, ())) for key, vm in before.items()}
    same = {vm.vm for vm in (*before.values(), *after.values()) if vm.vm is not None}
    others = await read_same_vms(conn, same, after)
    fresh = await append_history(conn, entries)
    tracks, tags = await read_tracks(conn, [*after, *others])
    were = {key: _absences(track) for key, track in tracks.items()}
    moved = await _fold(conn, tracks, fresh, change, span)
    # A late fact may tell nothing new of a VM but since when it has no device, or was away.
    due |= {key for key in moved if _absences(tracks[key]) != were.get(key, _absences(Track()))}
    await write_heads(conn, {key: tracks[key] for key in moved})
    await write_tenures(conn, tracks, moved, tags)
    await write_vms(conn, [vm for key, vm in after.items() if vm != before[key]])
    for envelope in envelopes:
        at = after[envelope.data.vcenter, envelope.data.moid]
        if at.vm is not None:
            occasion.led_to(at.vm, envelope)
    grace = await read_grace(conn, span, change)
    came_from = {key: grace.place_of(vm) for key, vm in (before | others).items()}
    now = {key: grace.place_of(vm, tracks.get(key)) for key, vm in (after | others).items()}
    if span or due:
        await write_lingering(conn, now.values())
    if change or due:
        await write_changing(conn, grace, tracks)
    moves = Moves(before | others, after | others, came_from, now, due, grace.span)
    return await _follow(conn, moves, tracks, tags)


def _absences(track: Track) -> tuple[object, ...]:
    return track.detached, track.left_at, track.void_at


async def _apply_guests(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> None:
    latest: dict[Key, Envelope[GuestAddressesChanged]] = {}
    for envelope in envelopes:
        key = (envelope.data.vcenter, envelope.data.moid)
        if key not in latest or envelope.data.order > latest[key].data.order:
            latest[key] = envelope
    if not latest:
        return
    # Not through `Table`: nothing else of the batch needs the row, so the condition does without reading it.
    await conn.execute(
        """
        INSERT INTO inventory.guest AS g (
            vcenter_id, moid, epoch, sequence, observed_at, tools, hostname, state
        )
        SELECT u.a, u.b, u.c, u.d, u.e, u.f, u.g, u.h::jsonb
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],
                    $7::text[], $8::text[]) AS u (a, b, c, d, e, f, g, h)
        ON CONFLICT (vcenter_id, moid) DO UPDATE SET
            epoch = excluded.epoch, sequence = excluded.sequence, observed_at = excluded.observed_at,
            tools = excluded.tools, hostname = excluded.hostname, state = excluded.state
        WHERE (excluded.epoch, excluded.sequence) > (g.epoch, g.sequence)
        """,
        *map(
            list,
            zip(
                *(
                    (*key, *e.data.order, e.time, e.data.tools, e.data.hostname, e.data.model_dump_json())
                    for key, e in latest.items()
                ),
                strict=True,
            ),
        ),
    )


def _entries(envelopes: Sequence[Envelope[VmFact]]) -> dict[Key, list[Entry]]:
    entries: dict[Key, list[Entry]] = {}
    for envelope in envelopes:
        fact: Fact = envelope.data
        entry: Entry | None = None
        if isinstance(fact, VmChanged):
            wires = {
                p.key: UNKNOWN_WIRE if p.network is None else wire_id(fact.vcenter, p.network)
                for p in fact.ports
            }
            macs = {p.key: p.mac for p in fact.ports if p.mac is not None}
            labels = {p.key: p.label for p in fact.ports}
            entry = Hardware(fact.order, envelope.time, wires, macs, labels)
        elif isinstance(fact, GuestAddressesChanged):
            report = report_of(fact)
            entry = Spoken(fact.order, envelope.time, report) if report else None
        else:
            entry = Removed(fact.order, envelope.time)
        if entry is not None:
            entries.setdefault((envelope.data.vcenter, envelope.data.moid), []).append(entry)
    return entries


async def _fold(
    conn: Connection,
    tracks: dict[Key, Track],
    fresh: Mapping[Key, Sequence[Entry]],
    pause: timedelta,
    grace: timedelta,
) -> dict[Key, Order | None]:
    """Continue the histories; those that a late entry came for are folded from their beginning.

    Which ones, and for the latter the order of that beginning.
    """
    late = {key for key, told in fresh.items() if key in tracks and told[0].order < tracks[key].order}
    whole = await read_history(conn, late)
    for key, told in fresh.items():
        if key in late:
            base, entries = whole[key]
            tracks[key] = fold(base, entries, pause, grace)
        else:
            tracks[key] = fold(tracks.get(key, Track(order=BEFORE_ALL)), told, pause, grace)
    return {key: whole[key][0].order if key in late else None for key in fresh}


@dataclass(frozen=True, slots=True)
class Moves:
    """VMs as they were before the batch and as they are after it, with the places where they are; `due` are
    places where something lingers no longer, or has gone at another time than was known.
    """

    before: Mapping[Key, VmAt]
    after: Mapping[Key, VmAt]
    came_from: Mapping[Key, Place]
    now: Mapping[Key, Place]
    due: Collection[Key]
    grace: timedelta


async def _follow(conn: Connection, moves: Moves, tracks: Mapping[Key, Track], tags_before: Tags) -> Dirty:
    """Write sightings and ports as they follow, and tell what that touches."""
    after = moves.after
    by_vm = _by_vm(after.values())
    living: set[tuple[Key, SightingKey]] = set()
    for places in by_vm.values():
        sightings = {p.key: tracks[p.key].sightings for p in places if p.key in tracks}
        living |= living_sightings([moves.now[p.key] for p in places], sightings, moves.grace)
    tags = {
        (key, what): Tagged(sighting, vm.vm, (key, what) in living)
        for key, vm in after.items()
        if key in tracks
        for what, sighting in tracks[key].sightings.items()
    }
    dirty = _touched(await write_sightings(conn, tags_before, tags), tags_before, tags)
    dirty.addresses |= await _contested(conn, by_vm)
    dirty.twins |= {vm for vm, places in by_vm.items() if sum(not p.standing.removed for p in places) > 1}
    dirty.add(await _rewire(conn, moves, by_vm, tracks))
    return dirty


async def _rewire(
    conn: Connection, moves: Moves, by_vm: Mapping[UUID, Sequence[VmAt]], tracks: Mapping[Key, Track]
) -> Dirty:
    """Bring the ports up to date of VMs that a fact about their hardware came for, or whose time is over."""
    before, after = moves.before, moves.after
    heard = [(before[key], vm) for key, vm in after.items() if vm != before[key] or key in moves.due]
    vms = {identity for pair in heard for vm in pair if (identity := vm.vm) is not None}
    if not vms:
        return Dirty()
    dirty = Dirty()
    homes: list[VmAt] = []
    came_from = _by_vm(before.values())
    for identity in vms:
        home = home_of(moves.now[p.key] for p in by_vm.get(identity, ()))
        if home is not None:
            homes.append(after[home.key])
        old_home = home_of(moves.came_from[p.key] for p in came_from.get(identity, ()))
        if (home and home.key) != (old_home and old_home.key):
            dirty.vms.add(identity)
    ports = await read_described_ports(conn, homes)
    ports += [
        port
        for home in homes
        if home.key in tracks
        for port in kept_ports(home, moves.now[home.key], tracks[home.key])
    ]
    known = await read_ports(conn, vms)
    dirty.twins |= vms
    dirty.macs |= {row["mac"] for row in known.values() if row["mac"] is not None}
    dirty.macs |= {port.mac for port in ports if port.mac is not None}
    dirty.ports |= await write_ports(conn, known, ports)
    # What people said about a port that is not there waits for it, or has lost it: this fact may tell which.
    rows = await conn.fetch(
        "SELECT DISTINCT vm_id FROM inventory.statement "
        "WHERE vm_id = ANY ($1::uuid[]) AND NOT port_id = ANY ($2::uuid[])",
        list(vms),
        [p.id for p in ports],
    )
    dirty.vms |= {row["vm_id"] for row in rows}
    for old, new in heard:
        # What people said about a VM may count, or be void, once it came, went, or took another identity;
        # and its records carry its name.
        if new.key in moves.due or (old.standing.removed, old.gone_at, old.vm, old.name) != (
            new.standing.removed,
            new.gone_at,
            new.vm,
            new.name,
        ):
            dirty.vms |= {identity for identity in (old.vm, new.vm) if identity is not None}
    return dirty


async def _contested(conn: Connection, vms: Iterable[UUID]) -> set[str]:
    """Addresses that these VMs contest: who is on, and whose Tools speak, may decide about them."""
    rows = await conn.fetch(
        """
        SELECT host(c.address) FROM inventory.port p JOIN inventory.conflict c ON c.holder_id = p.id
        WHERE p.vm_id = ANY ($1::uuid[]) AND c.address IS NOT NULL
        UNION
        SELECT host(c.address) FROM inventory.port p JOIN inventory.conflict c ON c.claimant_id = p.id
        WHERE p.vm_id = ANY ($1::uuid[]) AND c.address IS NOT NULL
        """,
        list(vms),
    )
    return {row[0] for row in rows}


def _by_vm(places: Iterable[VmAt]) -> dict[UUID, list[VmAt]]:
    by_vm: dict[UUID, list[VmAt]] = {}
    for vm in places:
        if vm.vm is not None:
            by_vm.setdefault(vm.vm, []).append(vm)
    return by_vm


def _touched(changed: set[tuple[Key, SightingKey]], before: Tags, after: Tags) -> Dirty:
    dirty = Dirty()
    for place, key in changed:
        old, new = before.get((place, key)), after.get((place, key))
        dirty.addresses.add(key.address)
        for tagged in (old, new):
            if tagged is not None and tagged.vm is not None:
                dirty.ports.add(port_id(tagged.vm, key.device_key))
        if new is not None and key.wire != UNKNOWN_WIRE:
            seen = new.sighting
            anew = old is not None and _as_evidence(old) != _as_evidence(new)
            glimpse = Glimpse(place[0], key.wire, key.address, seen.first_seen, seen.ended_at, anew)
            dirty.glimpses.add(glimpse)
        elif old is not None and key.wire != UNKNOWN_WIRE:
            # A late fact showed that it never was seen there.
            first = old.sighting.first_seen
            dirty.glimpses.add(Glimpse(place[0], key.wire, key.address, first, anew=True))
    return dirty


def _as_evidence(tagged: Tagged) -> tuple[object, ...]:
    """What of a sighting weighs as evidence; that it goes on, or has ended, is told beside it."""
    seen = tagged.sighting
    return tagged.vm, seen.first_seen, seen.prefix, seen.gateway

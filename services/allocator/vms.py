"""Facts about VMs and their guests: into rows, histories, sightings; and what has to be settled for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast
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
    fold,
)
from services.allocator.domain.identity import living_sightings
from services.allocator.domain.reports import report_of
from services.allocator.dossiers import Dossier, read_dossiers, read_same_vms
from services.allocator.guest_rows import apply_guests
from services.allocator.history_rows import append_history, read_history, write_heads
from services.allocator.lingering import read_due, read_grace, write_changing, write_lingering
from services.allocator.locking import NeedsTurn
from services.allocator.objects import Key, told_by_key
from services.allocator.rewiring import rewire
from services.allocator.sighting_rows import Difference, Tagged, write_sightings
from services.allocator.tenures import write_tenures
from services.allocator.vm_rows import learn, write_vms
from shared.events.envelope import Envelope
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import VmChanged, VmRemoved
from shared.model.identifiers import port_id, wire_id
from shared.model.ordering import Order
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
    return await _apply(conn, envelopes, occasion, due, span, change, in_turn=True)


async def apply_words(
    conn: Connection,
    envelopes: Sequence[Envelope[GuestAddressesChanged]],
    occasion: Occasion,
    span: timedelta,
    change: timedelta,
) -> Dirty:
    """Take in facts about guests while others take in some; what is `contested` is for the caller to add.

    Raises NeedsTurn when they bear on more than the VMs they are about.
    """
    if await read_due(conn, span, change):
        raise NeedsTurn
    return await _apply(conn, envelopes, occasion, set(), span, change, in_turn=False)


async def _apply(  # noqa: PLR0917  what `apply_vms` was told
    conn: Connection,
    envelopes: Sequence[Envelope[VmFact]],
    occasion: Occasion,
    due: set[Key],
    span: timedelta,
    change: timedelta,
    *,
    in_turn: bool,
) -> Dirty:
    heard = [((e.data.vcenter, e.data.moid), e) for e in envelopes]
    # By type: pydantic's models are slow to ask what they are an instance of.
    guests = [e for e in envelopes if type(e.data) is GuestAddressesChanged]
    await apply_guests(conn, cast("list[Envelope[GuestAddressesChanged]]", guests))
    entries = _entries(heard)
    dossiers = await read_dossiers(conn, due.union(key for key, _ in heard))
    _learn(dossiers, [e for e in envelopes if type(e.data) is not GuestAddressesChanged])
    for key, envelope in heard:
        vm = dossiers[key].vm.vm
        if vm is not None:
            occasion.led_to(vm, envelope)
    vms = {vm for d in dossiers.values() if (vm := d.vm.vm) is not None}
    if not (in_turn or all(d.vm.vm is not None and not d.elsewhere for d in dossiers.values())):
        raise NeedsTurn
    disputed = await contested(conn, vms) if in_turn else set()
    fresh = await append_history(conn, entries, {key: dossiers[key].track.order for key in entries})
    folded = await _fold(conn, dossiers, fresh, change, span)
    # A late fact may tell nothing new of a VM but since when it has no device, or was away.
    due |= {d.key for d, _ in folded if d.has_new_absences()}
    if due and not in_turn:
        raise NeedsTurn
    await write_heads(conn, {d.key: d.track for d, _ in folded if d.has_new_head()})
    await write_tenures(conn, folded)
    await write_vms(conn, [d.vm for d in dossiers.values() if d.vm is not d.vm_before])
    # Of a VM that is at one place, and of which nothing has changed, everything follows as before.
    stirred = [d for key, d in dossiers.items() if d.elsewhere or key in due or d.has_news()]
    moved = await _with_same_vms(conn, stirred, dossiers)
    dirty = await _follow(conn, moved, due, span, change)
    others = {vm for d in moved.values() if (vm := d.vm.vm) is not None} - vms
    dirty.addresses |= disputed | (await contested(conn, others) if others else set())
    return dirty


def _learn(dossiers: Mapping[Key, Dossier], envelopes: Sequence[Envelope[Any]]) -> None:
    for key, facts in told_by_key(envelopes, VmChanged).items():
        dossier = dossiers[key]
        after = learn(dossier.vm, facts)
        if after != dossier.vm:
            dossier.vm = after


def _entries(heard: Iterable[tuple[Key, Envelope[VmFact]]]) -> dict[Key, list[Entry]]:
    entries: dict[Key, list[Entry]] = {}
    for key, envelope in heard:
        entry = _entry(envelope)
        if entry is not None:
            entries.setdefault(key, []).append(entry)
    return entries


def _entry(envelope: Envelope[Any]) -> Entry | None:
    fact = envelope.data
    if type(fact) is GuestAddressesChanged:
        report = report_of(fact)
        return Spoken(fact.order, envelope.time, report) if report else None
    if type(fact) is VmChanged:
        wires = {
            p.key: UNKNOWN_WIRE if p.network is None else wire_id(fact.vcenter, p.network) for p in fact.ports
        }
        macs = {p.key: p.mac for p in fact.ports if p.mac is not None}
        return Hardware(fact.order, envelope.time, wires, macs, {p.key: p.label for p in fact.ports})
    return Removed(fact.order, envelope.time)


async def _fold(
    conn: Connection,
    dossiers: Mapping[Key, Dossier],
    fresh: Mapping[Key, Sequence[Entry]],
    pause: timedelta,
    grace: timedelta,
) -> list[tuple[Dossier, Order | None]]:
    """Continue the histories; those that a late entry came for are folded from their beginning.

    Which ones, and for the latter the order of that beginning.
    """
    late = {key for key, told in fresh.items() if told[0].order < dossiers[key].track.order}
    whole = await read_history(conn, late)
    folded: list[tuple[Dossier, Order | None]] = []
    for key, told in fresh.items():
        dossier = dossiers[key]
        base, entries = whole[key] if key in late else (dossier.track, told)
        dossier.track = fold(base, entries, pause, grace)
        folded.append((dossier, base.order if key in late else None))
    return folded


async def _with_same_vms(
    conn: Connection, stirred: Sequence[Dossier], known: Mapping[Key, Dossier]
) -> dict[Key, Dossier]:
    """`stirred` with all other dossiers on the same VMs: those that they are now, and those they were."""
    vms = {vm for d in stirred for vm in (d.vm_before.vm, d.vm.vm) if vm is not None}
    alone = {d.vm.vm for d in stirred if not d.elsewhere and d.vm.vm == d.vm_before.vm}
    found = {d.key: d for d in stirred}
    found |= {key: d for key, d in known.items() if d.vm.vm in vms or d.vm_before.vm in vms}
    return found | await read_same_vms(conn, vms - alone, known)


async def _follow(
    conn: Connection,
    dossiers: Mapping[Key, Dossier],
    due: Collection[Key],
    span: timedelta,
    change: timedelta,
) -> Dirty:
    """Write sightings and ports as they follow, and tell what that touches."""
    if not dossiers:
        return Dirty()
    grace = await read_grace(conn, span, change)
    now = {key: grace.place_of(d.vm, d.track) for key, d in dossiers.items()}
    if span or due:
        await write_lingering(conn, now.values())
    if change or due:
        await write_changing(conn, grace, {key: d.track for key, d in dossiers.items()})
    by_vm = _by_vm(dossiers.values())
    living: set[tuple[Key, SightingKey]] = set()
    for places in by_vm.values():
        sightings = {d.key: d.track.sightings for d in places}
        living |= living_sightings([now[d.key] for d in places], sightings, grace.span)
    different = await write_sightings(conn, [(key, d.tags, _tags(d, living)) for key, d in dossiers.items()])
    dirty = _touched(different)
    dirty.twins |= {vm for vm, places in by_vm.items() if sum(not d.vm.standing.removed for d in places) > 1}
    dirty.add(await rewire(conn, dossiers, now, due, grace))
    return dirty


def _by_vm(dossiers: Iterable[Dossier]) -> dict[UUID, list[Dossier]]:
    by_vm: dict[UUID, list[Dossier]] = {}
    for dossier in dossiers:
        if dossier.vm.vm is not None:
            by_vm.setdefault(dossier.vm.vm, []).append(dossier)
    return by_vm


def _tags(dossier: Dossier, living: Collection[tuple[Key, SightingKey]]) -> dict[SightingKey, Tagged]:
    place, vm = dossier.key, dossier.vm.vm
    return {
        key: Tagged(sighting, vm, (place, key) in living) for key, sighting in dossier.track.sightings.items()
    }


async def contested(conn: Connection, vms: Iterable[UUID]) -> set[str]:
    """Addresses that these VMs contest: who is on, and whose Tools speak, may decide about them."""
    # Most of the time there is no conflict at all, and no port is looked up then.
    rows = await conn.fetch(
        """
        SELECT host(c.address) FROM inventory.port p
        JOIN inventory.conflict c ON p.id = c.holder_id
        WHERE p.vm_id = ANY ($1::uuid[]) AND c.address IS NOT NULL AND EXISTS (SELECT FROM inventory.conflict)
        UNION
        SELECT host(c.address) FROM inventory.port p
        JOIN inventory.conflict c ON p.id = c.claimant_id
        WHERE p.vm_id = ANY ($1::uuid[]) AND c.address IS NOT NULL AND EXISTS (SELECT FROM inventory.conflict)
        """,
        list(vms),
    )
    return {row[0] for row in rows}


def _touched(different: Iterable[Difference]) -> Dirty:
    dirty = Dirty()
    for place, key, old, new in different:
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

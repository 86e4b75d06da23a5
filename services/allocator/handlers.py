"""Events in; rows, ledger and events out: one transaction for a batch of facts, one for each command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import structlog

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Glimpse, Occasion
from services.allocator.commands import carry_out
from services.allocator.locking import NeedsTurn, lock_decisions, lock_guests, lock_writes, plan_anew
from services.allocator.networks import NetworkMemory
from services.allocator.objects import WireChanges, apply_hosts, apply_portgroups, apply_switches
from services.allocator.offers import tell_offers
from services.allocator.reservations import apply_confirmations, apply_endings
from services.allocator.scopes import note_scopes, unnoted_scopes
from services.allocator.settings import AllocatorSettings
from services.allocator.settling import Policy, settle
from services.allocator.vcenters import apply_vcenters
from services.allocator.vms import apply_vms, apply_words, contested
from shared.audit.recording import record
from shared.bus.port import Message
from shared.events import inventory as inv
from shared.events import placement
from shared.events.base import Event
from shared.events.commands import Command, CommandReplied, Complaint
from shared.events.envelope import Envelope, wrap
from shared.events.guest import GuestAddressesChanged
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from shared.events.wire import WireCreated, WireRenamed, WireRetired
from shared.ipam.errors import LedgerRefusal
from shared.runtime.consuming import Received
from shared.runtime.errors import PermanentError
from shared.runtime.publishing import reply_message
from shared.store.outbox import enqueue
from shared.store.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

V = TypeVar("V", bound=Event)


class Allocator:
    """Handles the allocator's two queues."""

    def __init__(self, pool: Pool, settings: AllocatorSettings) -> None:
        self._pool = pool
        self.memory = NetworkMemory()
        self.policy = Policy(
            settings.weight(),
            settings.conflict_winner == "living",
            timedelta(seconds=settings.release_grace_seconds),
            timedelta(seconds=settings.change_settle_seconds),
        )

    async def facts(self, received: Sequence[Received]) -> None:
        """Apply a batch of facts, all or none."""
        await self.apply([r.envelope for r in received])

    async def apply(self, envelopes: Sequence[Envelope[Event]]) -> None:
        """Apply a batch of facts, all or none, in one transaction."""
        if all(type(e.data) is GuestAddressesChanged for e in envelopes):
            try:
                await self._beside_others(cast("Sequence[Envelope[GuestAddressesChanged]]", envelopes))
            except NeedsTurn:
                pass
            else:
                return
        await self._in_turn(envelopes)

    async def _beside_others(self, envelopes: Sequence[Envelope[GuestAddressesChanged]]) -> None:
        async with transaction(self._pool) as conn:
            await lock_guests(conn)
            if await unnoted_scopes(conn, envelopes):
                raise NeedsTurn
            out, occasion = Announcements(), Occasion(envelopes)
            dirty = await apply_words(conn, envelopes, occasion, self.policy.grace, self.policy.change)
            # Whose Tools speak may decide about open conflicts.
            deciding = bool(dirty or await contested(conn, occasion.vms()))
            await lock_decisions(conn, shared=not deciding)
            # Looked for again: others may have opened some meanwhile.
            disputed = await contested(conn, occasion.vms())
            if disputed and not deciding:
                raise NeedsTurn
            dirty.addresses |= disputed
            await settle(conn, dirty, occasion, out, self.policy, memory=self.memory)
            told = len(out)
            await out.send(conn)
        log.debug("words_applied", facts=len(envelopes), settled=len(dirty.addresses), told=told)

    async def _in_turn(self, envelopes: Sequence[Envelope[Event]]) -> None:
        async with transaction(self._pool) as conn:
            await lock_writes(conn)
            out = Announcements()
            occasion = Occasion(envelopes)
            dirty = await self._take_in(conn, envelopes, occasion, out)
            await settle(conn, dirty, occasion, out, self.policy, memory=self.memory)
            told = len(out)
            await out.send(conn)
        log.debug("facts_applied", facts=len(envelopes), settled=len(dirty.addresses), told=told)

    async def _take_in(
        self, conn: Connection, envelopes: Sequence[Envelope[Event]], occasion: Occasion, out: Announcements
    ) -> Dirty:
        moved = await note_scopes(conn, envelopes)
        passed = await apply_vcenters(
            conn,
            _only(
                envelopes,
                VcenterConnected,
                VcenterLost,
                VcenterHeartbeat,
                inv.SnapshotStarted,
                inv.SnapshotCompleted,
                inv.SnapshotHeld,
            ),
        )
        await apply_hosts(conn, _only(envelopes, inv.HostChanged, inv.HostRemoved))
        await apply_switches(conn, _only(envelopes, inv.SwitchChanged, inv.SwitchRemoved))
        wires = await apply_portgroups(conn, _only(envelopes, inv.PortgroupChanged, inv.PortgroupRemoved))
        _tell_wires(out, wires, occasion)
        await tell_offers(conn, out, wires, occasion)
        vms: list[Envelope[Any]] = _only(envelopes, inv.VmChanged, inv.VmRemoved, GuestAddressesChanged)
        dirty = await apply_vms(conn, vms, occasion, self.policy.grace, self.policy.change)
        dirty.vcenters |= passed
        dirty.add(moved)
        dirty.add(await _on_known_wires(conn, wires))
        dirty.add(await apply_confirmations(conn, _only(envelopes, placement.VmCreateConfirmed), occasion))
        ended: list[Envelope[Any]] = _only(envelopes, placement.VmCreateExpired, placement.VmCreateCancelled)
        dirty.add(await apply_endings(conn, ended))
        return dirty

    async def commands(self, received: Sequence[Received]) -> None:
        """Carry out commands, each in a transaction of its own with its reply."""
        for one in received:
            await self.command(one)

    async def command(self, received: Received) -> None:
        """Carry out one command. A mistake in it becomes a complaint, not a dead letter."""
        envelope = cast("Envelope[Command]", received.envelope)
        try:
            async with transaction(self._pool) as conn:
                await lock_writes(conn)
                await plan_anew(conn)
                out = Announcements()
                result = await carry_out(conn, envelope, out, self.policy)
                if getattr(envelope.data, "dry_run", False):
                    raise _Undone({**result, "dry_run": True, "events": out.told()})
                told = out.messages()
                await out.send(conn)
                await _reply(conn, received, CommandReplied(command=envelope.type, result=result), told)
        except _Undone as trial:
            log.info("command_tried", type=envelope.type, subject=envelope.subject, by=envelope.data.by)
            async with transaction(self._pool) as conn:
                await _reply(conn, received, CommandReplied(command=envelope.type, result=trial.result))
        except PermanentError as error:
            log.info("command_refused", type=envelope.type, subject=envelope.subject, code=error.code)
            answer = CommandReplied(command=envelope.type, complaint=_complaint(error))
            async with transaction(self._pool) as conn:
                await _reply(conn, received, answer)
        else:
            log.info("command_done", type=envelope.type, subject=envelope.subject, by=envelope.data.by)


class _Undone(Exception):
    """A command was carried out to see what it would do, and its transaction is to be rolled back."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("a dry run")
        self.result = result


def _only(envelopes: Sequence[Envelope[Event]], *kinds: type[V]) -> list[Envelope[V]]:
    # By type, not by isinstance: events are no base classes of each other, and pydantic's check is slow.
    return [cast("Envelope[V]", e) for e in envelopes if type(e.data) in kinds]


async def _reply(
    conn: Connection, received: Received, answer: CommandReplied, told: Sequence[Message] = ()
) -> None:
    asked = received.envelope
    await record(conn, asked, "allocator", answer, told)
    # Not the clock's time: a command that is delivered again is answered the same again.
    envelope: Envelope[Any] = wrap(
        answer, source="allocator", time=asked.time + timedelta(0), id=f"{asked.id}:reply", cause=asked
    )
    message = reply_message(received, envelope)
    if message is not None:
        await enqueue(conn, [message], to_queue=True)


def _complaint(error: PermanentError) -> Complaint:
    message = str(error) if error.hint is None else f"{error}; {error.hint}"
    return Complaint(
        code=error.code, message=message, field=error.field if isinstance(error, LedgerRefusal) else None
    )


def _tell_wires(out: Announcements, changes: WireChanges, occasion: Occasion) -> None:
    cause = occasion.cause()
    for wire in changes.created:
        out.add(WireCreated(wire=wire), wire.id, cause=cause)
    for wire, before in changes.renamed:
        out.add(WireRenamed(wire=wire, before=before), wire.id, cause=cause)
    for wire in changes.retired:
        out.add(WireRetired(wire=wire), wire.id, cause=cause)


async def _on_known_wires(conn: Connection, changes: WireChanges) -> Dirty:
    """Addresses that waited for their port group's fact."""
    if not changes.known:
        return Dirty()
    known = [
        row["id"]
        for row in await conn.fetch(
            """
            SELECT id FROM inventory.wire WHERE id = ANY ($1::uuid[])
            UNION
            -- Where a wire is a switch, what is used from one port group depends on the others.
            SELECT w.id FROM inventory.wire w JOIN inventory.wire_mapping m USING (vcenter_id)
            JOIN inventory.wire k USING (vcenter_id)
            WHERE k.id = ANY ($1::uuid[]) AND m.mapping = 'switch'
            """,
            list(changes.known),
        )
    ]
    rows = await conn.fetch(
        """
        SELECT DISTINCT host(s.address) FROM inventory.sighting s JOIN inventory.port p ON p.id = s.port_id
        WHERE s.live AND p.wire_id = ANY ($1::uuid[])
        """,
        known,
    )
    seen = await conn.fetch(
        """
        SELECT vcenter_id, wire_id, host(address), first_seen FROM inventory.sighting
        WHERE wire_id = ANY ($1::uuid[])
        """,
        known,
    )
    glimpses = {Glimpse(vcenter, wire, address, first, anew=True) for vcenter, wire, address, first in seen}
    return Dirty(addresses={row[0] for row in rows} | {g.address for g in glimpses}, glimpses=glimpses)

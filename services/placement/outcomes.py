"""Requests, answers and reservations made again from the events that tell of them: what a rebuild plays.

Nothing is decided here. An answer says which host, addresses and token were given; they are written as they
were. An answer may come before a fact that was known before it, so what is seen with a reserved address
gives way, and the caller has those addresses settled anew. Applied again, or late, an event changes
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from services.placement.domain.answering import fingerprint
from services.placement.ending import release_all
from services.placement.reservation_states import mark_ended
from services.placement.reservations import (
    Answered,
    Reservation,
    lock_reservation,
    save_reservations,
)
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.placement import (
    PlacedNic,
    VmCreateBatchRequested,
    VmCreateCancelled,
    VmCreateConfirmed,
    VmCreateDrifted,
    VmCreateExpired,
    VmCreateExtended,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
    VmCreateVerified,
)
from shared.ipam import ledger
from shared.ipam.ledger import Claim, Holder, Release
from shared.ipam.subnets import list_subnets
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool, transaction

UNANSWERED = 100_000
"""Requests that are remembered until their answer comes; it mostly is the next event but some."""

Asked = dict[str, VmCreateRequested]


class Touched(NamedTuple):
    """Addresses that changed hands outside the allocator, which has to look at them again."""

    addresses: frozenset[str] = frozenset()


NOTHING = Touched()


class Outcomes:
    """Applies placement's events, in the order of the log."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: OrderedDict[str, Asked] = OrderedDict()

    async def apply(self, envelope: Envelope[Any]) -> Touched:
        """Make what `envelope` tells hold. Raises `PermanentError` where it can't."""
        event = envelope.data
        if isinstance(event, VmCreateRequested):
            self._remember(envelope.id, {event.request_id: event})
            return NOTHING
        if isinstance(event, VmCreateBatchRequested):
            self._remember(envelope.id, {request.request_id: request for request in event.requests})
            return NOTHING
        async with transaction(self._pool) as conn:
            if isinstance(event, VmCreatePlaced | VmCreateRefused):
                return await self._answered(conn, envelope)
            reservation = await lock_reservation(conn, event.reservation)
            if reservation is None:
                raise PermanentError(
                    f"no reservation {event.reservation} is known", code="reservation_unknown"
                )
            return await APPLIERS[type(event)](conn, envelope, reservation)

    def _remember(self, asked: str, requests: Asked) -> None:
        self._asked[asked] = requests
        if len(self._asked) > UNANSWERED:
            self._asked.popitem(last=False)

    async def _answered(
        self, conn: Connection, envelope: Envelope[VmCreatePlaced | VmCreateRefused]
    ) -> Touched:
        answer = envelope.data
        if await conn.fetchval("SELECT true FROM placement.request WHERE request_id = $1", answer.request_id):
            return NOTHING
        request = self._asked.get(envelope.causationid or "", {}).get(answer.request_id)
        if request is None:
            raise PermanentError(
                f"the log does not have the request {answer.request_id!r} that this answers",
                code="request_unknown",
            )
        digest = fingerprint(request)
        await conn.execute(
            """
            INSERT INTO placement.request (request_id, fingerprint, body, outcome, answer, answered_at, batch)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            *(answer.request_id, digest, request.model_dump(mode="json")),
            "placed" if isinstance(answer, VmCreatePlaced) else "refused",
            *(answer.model_dump(mode="json"), envelope.time, answer.batch),
        )
        if isinstance(answer, VmCreateRefused):
            return NOTHING
        await save_reservations(conn, [Answered(request, digest, answer, (), envelope.time, answer.batch)])
        return await _hold(conn, answer.reservation, answer.nics, envelope.time, answer.expires_at)


async def _hold(
    conn: Connection,
    reservation: UUID,
    nics: tuple[PlacedNic, ...],
    since: datetime,
    until: datetime | None,
) -> Touched:
    """Let the reservation hold the addresses of `nics`, whoever seems to hold them."""
    holder = Holder("reservation", reservation)
    subnets = {placed.subnet for nic in nics for placed in nic.addresses}
    scopes = {subnet.id: subnet.scope_id for subnet in await list_subnets(conn, ids=subnets)}
    touched: set[str] = set()
    for nic in nics:
        for placed in nic.addresses:
            if placed.subnet not in scopes:
                continue  # deleted since, in a state that is newer than the event
            scope = scopes[placed.subnet]
            held = (await ledger.holders(conn, scope, [placed.address])).get(placed.address)
            instead = None if held is None else held.holder
            claim = Claim(placed.address, holder, since, instead_of=instead, until=until)
            await ledger.occupy(conn, scope, [claim])
            if instead is not None and instead != holder:
                touched.add(placed.address)
    return Touched(frozenset(touched))


async def _extended(conn: Connection, envelope: Envelope[VmCreateExtended], known: Reservation) -> Touched:
    event = envelope.data
    if known.state == "held" and event.token >= known.token:
        await conn.execute(
            "UPDATE placement.reservation SET expires_at = $2, token = $3,"
            " previous_token = coalesce($4, previous_token) WHERE id = $1",
            *(known.id, event.expires_at, event.token, event.previous_token),
        )
        await ledger.extend(conn, known.id, event.expires_at)
    return NOTHING


async def _confirmed(conn: Connection, envelope: Envelope[VmCreateConfirmed], known: Reservation) -> Touched:
    event = envelope.data
    if known.state not in ("held", "expired"):
        return NOTHING
    bound = {port.index for port in event.ports}
    kept = tuple(nic for nic in known.nics if nic.index in bound)
    lost = tuple(nic for nic in known.nics if nic.index not in bound)
    touched = NOTHING
    if known.state == "expired":
        touched = await _hold(conn, known.id, kept, event.confirmed_at, None)
    await _give_back(conn, known, lost, event.confirmed_at)
    await conn.execute(
        """
        UPDATE placement.reservation SET state = 'confirmed', ended_at = $2, vm_id = $3, vm_moid = $4,
            recognised_by = $5, token = coalesce($6, token)
        WHERE id = $1
        """,
        *(known.id, event.confirmed_at, event.vm, event.vm_moid, event.recognised_by, event.token),
    )
    return touched


async def _give_back(conn: Connection, known: Reservation, nics: tuple[PlacedNic, ...], at: datetime) -> None:
    scopes = {
        subnet.id: subnet.scope_id
        for subnet in await list_subnets(conn, ids={p.subnet for nic in nics for p in nic.addresses})
    }
    for nic in nics:
        for placed in nic.addresses:
            if placed.subnet in scopes:
                release = Release(placed.address, Holder("reservation", known.id), at)
                await ledger.release(conn, scopes[placed.subnet], [release])


async def _cancelled(conn: Connection, envelope: Envelope[VmCreateCancelled], known: Reservation) -> Touched:
    if known.state == "held":
        await release_all(conn, [known], envelope.time, cooldown=False)
        await mark_ended(conn, known.id, "cancelled", envelope.time, envelope.data.note)
    return NOTHING


async def _expired(conn: Connection, envelope: Envelope[VmCreateExpired], known: Reservation) -> Touched:
    if known.state == "held":
        await release_all(conn, [known], envelope.time, cooldown=True)
        await mark_ended(conn, known.id, "expired", envelope.time)
    return NOTHING


async def _checked(
    conn: Connection, envelope: Envelope[VmCreateVerified | VmCreateDrifted], known: Reservation
) -> Touched:
    event = envelope.data
    await conn.execute(
        "UPDATE placement.reservation SET verdict = $2, seen = $3 WHERE id = $1 AND state = 'confirmed'",
        known.id,
        "verified" if isinstance(event, VmCreateVerified) else "drifted",
        [check.model_dump(mode="json") for check in event.nics],
    )
    return NOTHING


Applier = Callable[[Connection, Envelope[Any], Reservation], Awaitable[Touched]]
APPLIERS: MappingProxyType[type[Event], Applier] = MappingProxyType(
    {
        VmCreateExtended: _extended,
        VmCreateConfirmed: _confirmed,
        VmCreateCancelled: _cancelled,
        VmCreateExpired: _expired,
        VmCreateVerified: _checked,
        VmCreateDrifted: _checked,
    }
)
"""What writes each event about a reservation."""
APPLIED: frozenset[type[Event]] = frozenset(APPLIERS) | {
    VmCreateRequested,
    VmCreateBatchRequested,
    VmCreatePlaced,
    VmCreateRefused,
}

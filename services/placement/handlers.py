"""Events in: load, decide, save; answers and events out, in the same transaction.

Two queues: requests and commands, answered in their order, and facts about VMs, that reservations wait for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby

import structlog

from services.placement.batches import answer_batch, groups_of, in_turn
from services.placement.commands import ReservationCommand, carry_out
from services.placement.confirming import Seen, confirm_seen
from services.placement.domain.answering import fingerprint, refused, reused
from services.placement.ending import BATCH, expire_due
from services.placement.invalid import refusal
from services.placement.loading import WorldLoader
from services.placement.placing import Placer
from services.placement.policy_watch import PolicyWatch
from services.placement.replying import SOURCE, publish, replied, reply, wrapped
from services.placement.reservations import Answer, lock_requests, stored
from services.placement.sampling import sample_use
from services.placement.settings import PlacementSettings
from services.placement.taking import Ask
from services.placement.verifying import verify
from shared.audit.recording import record
from shared.bus.port import Delivery
from shared.events.base import Event
from shared.events.codec import Unreadable
from shared.events.commands import Complaint, ReservationCancel, ReservationConfirm, ReservationExtend
from shared.events.envelope import Envelope, wrap
from shared.events.inventory import VmChanged, VmRemoved
from shared.events.placement import (
    VmCreateBatchRequested,
    VmCreateExtended,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.runtime.consuming import Received
from shared.runtime.errors import ConflictError, PermanentError
from shared.runtime.publishing import message_of
from shared.store.outbox import enqueue
from shared.store.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

ROUNDS = 10
"""Transactions a batch of requests gets, as others take what was chosen, before it is begun anew."""

Clock = Callable[[], datetime]
_COMMANDS = (ReservationConfirm, ReservationExtend, ReservationCancel)


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Handlers:
    """What placement does with what it receives. One per process."""

    def __init__(self, pool: Pool, settings: PlacementSettings, clock: Clock = system_clock) -> None:
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._watch = PolicyWatch(settings)
        policy = self._watch.policy
        loader = WorldLoader(
            policy,
            count_powered_off=settings.count_powered_off,
            max_age=timedelta(seconds=settings.view_seconds),
        )
        self._placer = Placer(loader, policy, settings.max_rulings)

    async def requests(self, batch: Sequence[Received]) -> None:
        """Answer create-VM requests, batches of them and reservation commands, in their order.

        Requests that wait together are decided by priority first.

        Raises PermanentError for other types, ConflictError when others kept being faster.
        """
        for kind, run in groupby(batch, key=lambda received: type(received.envelope.data)):
            if issubclass(kind, VmCreateRequested):
                await self._answer(list(run))
            elif issubclass(kind, VmCreateBatchRequested):
                for received in run:
                    await self._answer_batch(received)
            elif issubclass(kind, _COMMANDS):
                for received in run:
                    await self._command(received)
            else:
                raise PermanentError(f"placement does not answer {kind.TYPE}", code="unexpected_type")

    async def unread(self, delivery: Delivery, error: Unreadable) -> None:
        """Refuse a request that cannot be read, where it says who asks. It becomes a dead letter, too."""
        message = refusal(delivery, error, self._clock())
        if message is not None:
            async with transaction(self._pool) as conn:
                await enqueue(conn, [message], to_queue=True)

    async def facts(self, batch: Sequence[Received]) -> None:
        """Confirm the reservations whose VMs these facts show. Raises PermanentError for other types."""
        causes: dict[str, Envelope[Event]] = {}
        seen: list[Seen] = []
        for received in batch:
            fact = received.envelope.data
            if isinstance(fact, VmChanged):
                seen.append(Seen(fact, received.envelope.time))
                causes[f"{fact.vcenter}/{fact.moid}"] = received.envelope
            elif not isinstance(fact, VmRemoved):
                raise PermanentError(f"placement does not follow {fact.TYPE}", code="unexpected_type")
        if not seen:
            return
        async with transaction(self._pool) as conn:
            for event in await confirm_seen(conn, seen):
                cause = causes[f"{event.vcenter}/{event.vm_moid}"]
                await publish(conn, [wrapped(event, event.confirmed_at, cause, event.reservation)])

    async def expire(self) -> int:
        """End what is due now, and say so; how many reservations ended."""
        total = 0
        while True:
            now = self._clock()
            async with transaction(self._pool) as conn:
                events = await expire_due(conn, now)
                await publish(conn, [wrapped(event, now, None, event.reservation) for event in events])
            total += len(events)
            if len(events) < BATCH:
                return total

    async def verify(self) -> int:
        """Compare confirmed VMs' addresses with what Tools say; how many were judged."""
        now = self._clock()
        async with transaction(self._pool) as conn:
            events = await verify(conn, now)
            await publish(
                conn,
                [
                    wrapped(event, now, None, event.reservation, [check.seen for check in event.nics])
                    for event in events
                ],
            )
        return len(events)

    async def renew_policy(self) -> int:
        """Take the policy file over if it changed; whether anything in it did. The next round goes by it."""
        policy = await self._watch.look()
        if policy is not None:
            self._placer.use(policy)
        return 0 if policy is None else 1

    async def sample(self) -> int:
        """Note how full subnets are; how many were noted."""
        async with transaction(self._pool) as conn:
            every = timedelta(seconds=self._settings.sample_interval_seconds)
            return await sample_use(conn, self._clock(), every)

    async def _answer(self, batch: Sequence[Received]) -> None:
        """Answer requests, in rounds of a transaction each."""
        waiting = list(batch)
        asks: dict[str, Ask] = {}
        for _ in range(ROUNDS):
            if not waiting:
                return
            async with self._undoable() as conn:
                waiting = await self._round(conn, waiting, asks)
        if waiting:
            raise ConflictError(f"{len(waiting)} requests kept losing what was chosen for them to others")

    async def _answer_batch(self, received: Received) -> None:
        """Answer a batch, in a transaction of its own, as often as others take what was chosen."""
        batch = received.envelope.data
        assert isinstance(batch, VmCreateBatchRequested)  # noqa: S101  a type narrowing, not a check
        asks: dict[str, Ask] = {}
        for _ in range(ROUNDS):
            try:
                async with self._undoable() as conn:
                    now = self._clock()
                    outcome = await answer_batch(conn, self._placer, batch, asks, now)
                    if outcome is None:
                        raise _Again
                    told: list[Envelope[Event]] = [
                        wrapped(item.answer, item.at, received.envelope, item.request.request_id)
                        for item in outcome.new
                    ]
                    whole = wrapped(outcome.answer, now, received.envelope, batch.batch_id)
                    await publish(conn, [*told, whole] if outcome.new else [])
                    await reply(conn, [(received, whole)])
                    return
            except _Again:
                continue
        raise ConflictError(f"batch {batch.batch_id} kept losing what was chosen for it to others")

    @asynccontextmanager
    async def _undoable(self) -> AsyncIterator[Connection]:
        """A transaction; when it fails, nothing more is decided on what was counted in it."""
        try:
            async with transaction(self._pool) as conn:
                yield conn
        except BaseException:
            self._placer.spoil()
            raise

    async def _round(
        self, conn: Connection, batch: Sequence[Received], asks: dict[str, Ask]
    ) -> list[Received]:
        """One transaction: answers to new and repeated requests. Returns those to be asked again."""
        now = self._clock()
        wanted: dict[str, VmCreateRequested] = {}
        for received in batch:
            request = _request(received)
            wanted.setdefault(request.request_id, request)
        turns = in_turn(list(wanted.values()))
        await lock_requests(conn, list(wanted), groups_of(turns))
        known = await stored(conn, list(wanted))
        new = [
            asks.setdefault(request.request_id, Ask(request))
            for request in turns
            if request.request_id not in known
        ]
        answered, pending = await self._placer.round(conn, new, now) if new else ([], [])
        await self._placer.save(conn, answered)
        answers: dict[str, tuple[str, Answer, datetime]] = dict(known)
        for item in answered:
            answers[item.request.request_id] = (item.fingerprint, item.answer, item.at)
        fresh = {item.request.request_id for item in answered}
        postponed = {ask.request.request_id for ask in pending}
        events: list[Envelope[Event]] = []
        replies: list[tuple[Received, Envelope[Event]]] = []
        again: list[Received] = []
        for received in batch:
            request = _request(received)
            if request.request_id in postponed:
                again.append(received)
                continue
            print_of_first, answer, at = answers[request.request_id]
            if fingerprint(request) != print_of_first:
                # Said to who asked only: for everybody else the request has its answer.
                replies.append(
                    (received, wrap(_reused(request), source=SOURCE, time=now, cause=received.envelope))
                )
                continue
            envelope: Envelope[Event] = wrapped(answer, at, received.envelope, request.request_id)
            replies.append((received, envelope))
            if request.request_id in fresh:
                fresh.discard(request.request_id)
                events.append(envelope)
        await publish(conn, events)
        await reply(conn, replies)
        return again

    async def _command(self, received: Received) -> None:
        command = received.envelope.data
        assert isinstance(command, _COMMANDS)  # noqa: S101  a type narrowing, not a check
        now = self._clock()
        try:
            async with transaction(self._pool) as conn:
                result, events = await self._carry_out(conn, command, now)
                envelopes = [
                    wrapped(event, now, received.envelope, *_parts(event, command)) for event in events
                ]
                answer = replied(received, now, result=result)
                await publish(conn, envelopes)
                await record(conn, received.envelope, SOURCE, answer.data, map(message_of, envelopes))
                await reply(conn, [(received, answer)])
        except PermanentError as error:
            complaint = Complaint(code=error.code, message=str(error))
            async with transaction(self._pool) as conn:
                answer = replied(received, now, complaint=complaint)
                await record(conn, received.envelope, SOURCE, answer.data)
                await reply(conn, [(received, answer)])

    async def _carry_out(
        self, conn: Connection, command: ReservationCommand, now: datetime
    ) -> tuple[dict[str, object], list[Event]]:
        return await carry_out(conn, command, now, timedelta(seconds=self._settings.max_lease_seconds))


class _Again(Exception):
    """Rolls a batch back that is to be asked again."""


def _parts(event: Event, command: ReservationCommand) -> tuple[object, ...]:
    """What makes an event the one that it is, however often it is said."""
    if isinstance(event, VmCreateExtended):
        return command.reservation, event.token, event.expires_at
    return (command.reservation,)


def _request(received: Received) -> VmCreateRequested:
    request = received.envelope.data
    assert isinstance(request, VmCreateRequested)  # noqa: S101  a type narrowing, not a check
    return request


def _reused(request: VmCreateRequested) -> VmCreateRefused:
    log.warning("request.id_reused", request=request.request_id, name=request.name)
    return refused(request, reused(request))

"""Batches: many requests with one answer, placed together or as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.placement.domain.answering import fingerprint, refused, reused
from services.placement.domain.deciding import Refusal
from services.placement.domain.finding import Finding
from services.placement.placing import Placer
from services.placement.reservations import Answer, Answered, lock_requests, stored
from services.placement.taking import Ask
from shared.events.placement import (
    VmCreateBatchAnswered,
    VmCreateBatchRequested,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.store.pool import Connection

RULINGS = 5
"""Rulings of each answer within a batch's answer; its own event has them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch's answer, and the answers in it that are new."""

    answer: VmCreateBatchAnswered
    new: tuple[Answered, ...]


class _Undone(Exception):
    """Takes back what was reserved for a batch that cannot be placed whole."""


def in_turn(requests: Sequence[VmCreateRequested]) -> list[VmCreateRequested]:
    """The order in which requests that wait together are decided: by priority, else as they came."""
    return sorted(requests, key=lambda request: -request.priority)


def groups_of(requests: Sequence[VmCreateRequested]) -> set[str]:
    """Groups whose members must not be placed by two at a time."""
    named = {group for request in requests for group in request.groups}
    for request in requests:
        peers = (*request.where.affinity, *request.where.anti_affinity)
        named |= {peer.group for peer in peers if peer.group is not None}
    return named


async def answer_batch(
    conn: Connection, placer: Placer, batch: VmCreateBatchRequested, asks: dict[str, Ask], now: datetime
) -> Outcome | None:
    """Answer a batch within the caller's transaction, or None: roll back and ask again.

    All or nothing: the largest first, so that they pack better. What was answered before, under a request id
    of the batch, stays answered, and counts as its part of the batch.
    """
    requests = in_turn(batch.requests)
    if batch.mode == "all_or_nothing":
        requests.sort(key=lambda request: (-request.memory_mb, -request.cpus))
    ids = [request.request_id for request in requests]
    await lock_requests(conn, ids, groups_of(requests))
    known = await stored(conn, ids)
    answers: dict[str, Answer] = {}
    for request in requests:
        if request.request_id in known:
            print_of_first, answer, _ = known[request.request_id]
            same = print_of_first == fingerprint(request)
            answers[request.request_id] = answer if same else refused(request, reused(request))
    new = [
        asks.setdefault(request.request_id, Ask(request, batch.batch_id))
        for request in requests
        if request.request_id not in known
    ]
    answered = await _place(conn, placer, batch, new, known=answers, now=now)
    if answered is None:
        return None
    await placer.save(conn, answered)
    answers |= {item.request.request_id: item.answer for item in answered}
    return Outcome(_sum_up(batch, answers), tuple(answered))


async def _place(
    conn: Connection,
    placer: Placer,
    batch: VmCreateBatchRequested,
    new: Sequence[Ask],
    *,
    known: Mapping[str, Answer],
    now: datetime,
) -> list[Answered] | None:
    if not new:
        return []
    refusals = [answer for answer in known.values() if isinstance(answer, VmCreateRefused)]
    answered: list[Answered] = []
    try:
        async with conn.transaction():
            answered, pending = await placer.round(conn, new, now)
            if pending:
                return None
            refusals += [item.answer for item in answered if isinstance(item.answer, VmCreateRefused)]
            if refusals and batch.mode == "all_or_nothing":
                raise _Undone
    except _Undone:
        placer.spoil()
        answered = [_together(item, batch, refusals[0], now) for item in answered]
    return answered


def _together(
    item: Answered, batch: VmCreateBatchRequested, culprit: VmCreateRefused, now: datetime
) -> Answered:
    """The refusal of a request that would have been placed, had all the others been."""
    if isinstance(item.answer, VmCreateRefused):
        return item
    names = {request.request_id: request.name for request in batch.requests}
    because = (
        f"batch {batch.batch_id} is all or nothing, and there is no place for "
        f"{names.get(culprit.request_id, culprit.request_id)}: {culprit.reason}"
    )
    finding = Finding("request", batch.batch_id, item.request.name, "all_or_nothing", False, because)
    refusal = Refusal(because, (finding,))
    answer = refused(item.request, refusal, facts=culprit.facts, batch=batch.batch_id)
    return Answered(item.request, item.fingerprint, answer, refusal.findings, now, batch.batch_id)


def _sum_up(batch: VmCreateBatchRequested, answers: Mapping[str, Answer]) -> VmCreateBatchAnswered:
    inorder = [answers[request.request_id] for request in batch.requests]
    placed = [answer for answer in inorder if isinstance(answer, VmCreatePlaced)]
    refusals = [answer for answer in inorder if isinstance(answer, VmCreateRefused)]
    reason = f"{len(placed)} of {len(inorder)} VMs placed"
    if refusals:
        reason += f"; {refusals[0].reason}"
    return VmCreateBatchAnswered(
        batch_id=batch.batch_id,
        mode=batch.mode,
        reason=reason,
        placed=tuple(a.model_copy(update={"explanation": a.explanation[:RULINGS]}) for a in placed),
        refused=tuple(a.model_copy(update={"rulings": a.rulings[:RULINGS]}) for a in refusals),
    )

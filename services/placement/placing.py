"""Answers requests: decides on a world read without locks, then commits under the locks of what was chosen.

A round is one transaction for a batch of requests. All locks of a round are taken at once and in one order
(hosts, then subnets), so placements, however many processes answer, never wait for each other in a circle.
What another process took meanwhile makes a request pending: it is decided again in the next round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.placement.domain.answering import fingerprint, granted, mac_in_use, placed, refused
from services.placement.domain.deciding import Choice, Refusal, decide
from services.placement.domain.hosts import lacks
from services.placement.domain.macs import candidates, chosen
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Exclusion
from services.placement.domain.world import NO_LOAD, HostKey, Load, World
from services.placement.loading import WorldLoader
from services.placement.reservations import (
    Answer,
    Answered,
    lock_hosts,
    macs_in_use,
    save_answers,
    save_reservations,
)
from shared.events.placement import VmCreatePlaced, VmCreateRequested
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import Holder, allocate, lock_subnets
from shared.model.identifiers import reservation_id
from shared.store.pool import Connection


@dataclass(slots=True)
class Ask:
    """A request on its way to its answer. `excluded` grows as the ledger turns subnets down."""

    request: VmCreateRequested
    excluded: list[Exclusion] = field(default_factory=list)

    @property
    def reservation(self) -> UUID:
        """Id of the reservation that would answer it."""
        return reservation_id(self.request.request_id)


@dataclass(frozen=True, slots=True)
class _Draft:
    ask: Ask
    choice: Choice
    macs: list[str | None]


class Placer:
    """Decides and reserves. One per process; a round at a time."""

    def __init__(self, loader: WorldLoader, policy: Policy, max_rulings: int) -> None:
        self._loader = loader
        self._policy = policy
        self._max_rulings = max_rulings

    async def round(
        self, conn: Connection, asks: Sequence[Ask], now: datetime
    ) -> tuple[list[Answered], list[Ask]]:
        """Answer what can be answered now, within the caller's transaction; and what is to be asked again."""
        world = await self._loader.load(conn, now)
        drafts = await self._draft(conn, asks, world, now)
        choices = [draft.choice for draft in drafts if isinstance(draft, _Draft)]
        hosts = sorted({choice.host.key for choice in choices})
        if hosts:
            await lock_hosts(conn, hosts)
            await lock_subnets(conn, sorted({option.subnet.id for c in choices for option in c.options}))
        loads = await self._loader.loads(conn, hosts) if hosts else {}
        answered: list[Answered] = []
        pending: list[Ask] = []
        for ask, draft in zip(asks, drafts, strict=True):
            if isinstance(draft, _Draft):
                done = await self._reserve(conn, draft, loads, world, now)
            else:
                # What an earlier request of this round did not get after all may be had by this one.
                done = None if pending else self._answered(ask, draft, now)
            if done is None:
                pending.append(ask)
            else:
                answered.append(done)
        await save_answers(conn, answered)
        reserved = [item.answer for item in answered if isinstance(item.answer, VmCreatePlaced)]
        await save_reservations(conn, reserved, now)
        return answered, pending

    async def _draft(
        self, conn: Connection, asks: Sequence[Ask], world: World, now: datetime
    ) -> list[_Draft | Refusal]:
        """Decide every request, each on what those before it leave."""
        wanted = [mac for ask in asks for mac in candidates(ask.reservation, ask.request.nics)]
        in_use = await macs_in_use(conn, wanted) if wanted else set()
        drafts: list[_Draft | Refusal] = []
        for ask in asks:
            macs = chosen(ask.reservation, ask.request.nics, in_use)
            if isinstance(macs, tuple):
                drafts.append(mac_in_use(*macs))
                continue
            choice = decide(ask.request, world, self._policy, now, ask.excluded)
            if isinstance(choice, Refusal):
                drafts.append(choice)
                continue
            world.add_load(choice.host.key, ask.request.cpus, ask.request.memory_mb)
            in_use |= {mac for mac in macs if mac is not None}
            drafts.append(_Draft(ask, choice, macs))
        return drafts

    async def _reserve(
        self,
        conn: Connection,
        draft: _Draft,
        loads: dict[HostKey, Load],
        world: World,
        now: datetime,
    ) -> Answered | None:
        """Reserve what was chosen; None when it is gone meanwhile, with what the ledger said noted."""
        request, choice = draft.ask.request, draft.choice
        load = loads.get(choice.host.key, NO_LOAD)
        if lacks(choice.host, request, load, self._policy) is not None:
            return None
        try:
            addresses = await _take_all(conn, draft, now)
        except LedgerRefusal:
            return None
        loads[choice.host.key] = Load(load.cpus + request.cpus, load.memory_mb + request.memory_mb)
        answer = placed(
            request,
            choice,
            draft.macs,
            addresses,
            now=now,
            facts_as_of=world.vcenters[choice.host.key.vcenter].as_of,
            limit=self._max_rulings,
        )
        findings = (*granted(request, choice, addresses), *choice.findings)
        return Answered(request, fingerprint(request), answer, findings, now)

    def _answered(self, ask: Ask, refusal: Refusal, now: datetime) -> Answered:
        answer: Answer = refused(ask.request, refusal, self._max_rulings)
        return Answered(ask.request, fingerprint(ask.request), answer, refusal.findings, now)


async def _take_all(conn: Connection, draft: _Draft, now: datetime) -> list[str]:
    """An address for each NIC or for none. Raises `LedgerRefusal`, having noted it with the request."""
    if len(draft.choice.options) == 1:
        return [await _take(conn, draft, 0, now)]
    async with conn.transaction():
        return [await _take(conn, draft, index, now) for index in range(len(draft.choice.options))]


async def _take(conn: Connection, draft: _Draft, index: int, now: datetime) -> str:
    ask, subnet = draft.ask, draft.choice.options[index].subnet.id
    try:
        [address] = await allocate(
            conn,
            subnet,
            1,
            Holder("reservation", ask.reservation),
            now,
            now=now,
            wanted=ask.request.nics[index].address,
            until=now + timedelta(seconds=ask.request.lease_seconds),
        )
    except LedgerRefusal as refusal:
        ask.excluded.append(Exclusion(index, subnet, refusal.code, str(refusal)))
        raise
    return address

"""Answers requests: decides on the world of a moment ago, then commits under the locks of what was chosen.

A round is one transaction for a batch of requests. All locks of a round are taken at once and in one order
(hosts and scarce wires, then subnets), so placements, however many processes answer, never wait for each
other in a circle. What another process took or changed meanwhile makes a request pending: it is decided again
in the next round. A refusal stands only on a world that was loaded in its own round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.placement.checking import agrees, still_so
from services.placement.domain.answering import (
    decided_again,
    facts_seen,
    fingerprint,
    granted,
    mac_in_use,
    placed,
    refused,
)
from services.placement.domain.deciding import Choice, Refusal, decide
from services.placement.domain.hosts import lacks
from services.placement.domain.macs import candidates, chosen
from services.placement.domain.peers import peers_of
from services.placement.domain.policy import Policy
from services.placement.domain.world import NO_LOAD, HostKey, Load, Peer, World
from services.placement.loading import WorldLoader
from services.placement.reservations import (
    Answer,
    Answered,
    lock_hosts,
    macs_in_use,
    names_in_use,
    next_tokens,
    save_answers,
    save_reservations,
)
from services.placement.taking import Ask, Draft, take_all, take_plain
from shared.events.placement import VmCreateRequested
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import lock_subnets
from shared.store.pool import Connection


@dataclass(slots=True)
class _Locked:
    """What is known of all that was chosen, now that it is locked; counted as it is given away."""

    now_true: frozenset[str]
    loads: dict[HostKey, Load]
    ports_used: dict[UUID, int]


class Placer:
    """Decides and reserves. One per process; a round at a time."""

    def __init__(
        self, loader: WorldLoader, policy: Policy, max_rulings: int, *, everything: bool = False
    ) -> None:
        """With `everything`, answers name every host that was ruled out."""
        self._loader = loader
        self._policy = policy
        self._next_policy: Policy | None = None
        self._max_rulings = max_rulings
        self._everything = everything

    def use(self, policy: Policy) -> None:
        """Decide by another policy from the next round on."""
        self._next_policy = policy

    def spoil(self) -> None:
        """Say that a round was not committed after all."""
        self._loader.spoil()

    async def round(
        self, conn: Connection, asks: Sequence[Ask], now: datetime
    ) -> tuple[list[Answered], list[Ask]]:
        """Answer what can be answered now, within the caller's transaction; and what is to be asked again."""
        if self._next_policy is not None:
            self._policy, self._next_policy = self._next_policy, None
            self._loader.use(self._policy)
        world, fresh = await self._loader.view(conn, now)
        drafts = await self._draft(conn, asks, world, now)
        if not fresh and any(isinstance(draft, Refusal) for draft in drafts):
            world = await self._loader.load(conn, now)
            drafts = await self._draft(conn, asks, world, now)
        locked = await self._lock(conn, [draft.choice for draft in drafts if isinstance(draft, Draft)])
        admitted = [draft for draft in drafts if isinstance(draft, Draft) and self._admitted(draft, locked)]
        given = await take_plain(conn, admitted, now)
        named = (
            await names_in_use(conn, [draft.ask.request.name for draft in admitted]) if admitted else set()
        )
        ready = {id(draft) for draft in admitted}
        tokens = iter(await next_tokens(conn, len(asks)))
        answered: list[Answered] = []
        pending: list[Ask] = []
        for ask, draft in zip(asks, drafts, strict=True):
            done: Answered | None = None
            if isinstance(draft, Draft):
                if id(draft) in ready:
                    place = given.get(ask.reservation)
                    free = (draft.choice.host.key.vcenter, ask.request.name) not in named
                    done = await self._reserve(
                        conn, draft, place, world, now=now, token=next(tokens), name_was_free=free
                    )
            else:
                # What an earlier request of this round did not get after all may be had by this one.
                done = None if pending else self._answered(ask, draft, world, now)
            if done is None:
                pending.append(ask)
            else:
                answered.append(done)
        if pending:
            self.spoil()
        return answered, pending

    async def save(self, conn: Connection, answered: Sequence[Answered]) -> None:
        """Keep the answers of a round."""
        await save_answers(conn, answered)
        await save_reservations(conn, answered)

    async def _draft(
        self, conn: Connection, asks: Sequence[Ask], world: World, now: datetime
    ) -> list[Draft | Refusal]:
        """Decide every request, each on what those before it leave."""
        wanted = [mac for ask in asks for mac in candidates(ask.reservation, ask.request.nics)]
        in_use = await macs_in_use(conn, wanted) if wanted else set()
        peers = [peer for ask in asks for peer in peers_of(ask.request.where)]
        world.places = await self._loader.places(conn, peers) if peers else {}
        drafts: list[Draft | Refusal] = []
        for ask in asks:
            macs = chosen(ask.reservation, ask.request.nics, in_use)
            if isinstance(macs, tuple):
                drafts.append(mac_in_use(*macs))
                continue
            choice = decide(ask.request, world, self._policy, now, ask.excluded, everything=self._everything)
            if isinstance(choice, Refusal):
                drafts.append(choice)
                continue
            _count(world, ask.request, choice)
            in_use |= {mac for mac in macs if mac is not None}
            drafts.append(Draft(ask, choice, macs))
        return drafts

    async def _lock(self, conn: Connection, choices: Sequence[Choice]) -> _Locked:
        hosts = sorted({choice.host.key for choice in choices})
        if not hosts:
            return _Locked(frozenset(), {}, {})
        options = [option for choice in choices for option in choice.options]
        scarce = sorted({option.wire.id for option in options if option.wire.ports is not None})
        await lock_hosts(conn, hosts, scarce)
        await lock_subnets(conn, sorted({subnet.id for option in options for subnet in option.subnets}))
        return _Locked(
            await still_so(conn, choices),
            await self._loader.loads(conn, hosts),
            await self._loader.ports_used(conn, scarce),
        )

    def _admitted(self, draft: Draft, locked: _Locked) -> bool:
        """Whether what was chosen is unchanged and has room for this one, too; it is counted then."""
        request, choice = draft.ask.request, draft.choice
        load = locked.loads.get(choice.host.key, NO_LOAD)
        if not agrees(choice, locked.now_true):
            draft.ask.lost.append(f"host {choice.host.name}, its port groups or subnets changed")
            return False
        failure = lacks(choice.host, request, load, self._policy)
        if failure is not None:
            draft.ask.lost.append(f"host {choice.host.name}: {failure.because}")
            return False
        ports = dict(locked.ports_used)
        for option in choice.options:
            wire = option.wire
            if wire.ports is not None:
                ports[wire.id] += 1
                if ports[wire.id] > wire.ports:
                    draft.ask.lost.append(f"port group {wire.name} has no free port left")
                    return False
        locked.loads[choice.host.key] = Load(load.cpus + request.cpus, load.memory_mb + request.memory_mb)
        locked.ports_used = ports
        return True

    async def _reserve(
        self,
        conn: Connection,
        draft: Draft,
        given: str | None,
        world: World,
        *,
        now: datetime,
        token: int,
        name_was_free: bool,
    ) -> Answered | None:
        """Reserve what was chosen; None when it is gone meanwhile, with what the ledger said noted."""
        request, choice = draft.ask.request, draft.choice
        try:
            addresses = [[given]] if given is not None else await take_all(conn, draft, now)
        except LedgerRefusal:
            return None
        again = decided_again(draft.ask.lost, request)
        choice = replace(choice, findings=(*choice.findings, *again))
        answer = placed(
            request,
            choice,
            draft.macs,
            addresses,
            token=token,
            name_was_free=name_was_free,
            now=now,
            vcenter=world.vcenters[choice.host.key.vcenter],
            limit=self._max_rulings,
            batch=draft.ask.batch,
        )
        findings = (*granted(request, choice, addresses), *choice.findings)
        return Answered(request, fingerprint(request), answer, findings, now, draft.ask.batch)

    def _answered(self, ask: Ask, refusal: Refusal, world: World, now: datetime) -> Answered:
        again = decided_again(ask.lost, ask.request)
        refusal = Refusal(refusal.reason, (*refusal.findings, *again))
        facts = facts_seen(world.vcenters.values(), now)
        answer: Answer = refused(ask.request, refusal, self._max_rulings, facts=facts, batch=ask.batch)
        return Answered(ask.request, fingerprint(ask.request), answer, refusal.findings, now, ask.batch)


def _count(world: World, request: VmCreateRequested, choice: Choice) -> None:
    """Count what is about to be placed, for the requests that come after it."""
    world.add_load(choice.host.key, request.cpus, request.memory_mb)
    for option in choice.options:
        world.add_nic(option.wire.id, [subnet.id for subnet in option.subnets])
    for peer in (Peer("vm", request.name), *(Peer("group", group) for group in request.groups)):
        if peer in world.places:
            world.places[peer] = (world.places[peer] or frozenset()) | {choice.host.key}

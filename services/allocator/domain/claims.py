"""Who holds an address that ports claim. The same claims always have the same winner.

What people said beats what a reservation brought, that beats what guests report; of reports, one that
matches a subnet on its own wire beats one that does not: an isolated wire may use the same numbers. Among
equals the one that has had the address longest keeps it, then the lowest port id; but who is only a memory
(off, or with silent Tools) yields to the living, where that is the rule. A loser is parked, with its rival
named. An address that is declared shared has many and no holder among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.allocator.domain.matching import Match, SubnetView
from shared.events.address import ConflictKind, Verdict
from shared.events.nic import NicSource
from shared.ipam.domain import Holder


@dataclass(frozen=True, slots=True)
class Claimant:
    """A live port that has, or ought to have, the address. `since`: without a break until now.

    `contradicts`: an operator stated other addresses of this family for the port, so this one is drift (G5).
    `mac`: the port's, for addresses that are reserved for one.
    """

    port: UUID
    nic: UUID
    source: NicSource
    since: datetime
    match: Match
    reservation: UUID | None = None
    contradicts: bool = False
    mac: str | None = None
    unsettled: bool = False
    """Tools report it too lately: what they reported before on the port still counts."""
    memory: bool = False
    """Nobody confirms it any more: the VM is off, or its Tools are silent."""

    @property
    def rank(self) -> int:
        """Strength of the claim; 0 can't become a record."""
        if self.source == "fixed":
            return 3
        if self.source == "reservation":
            return 2
        return 0 if self.match.subnet is None or self.contradicts or self.unsettled else 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """The address belongs into the port's NIC record."""

    subnet: SubnetView
    source: NicSource
    since: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """The address gets no record. `rival` holds it, where that is the reason."""

    verdict: Verdict
    since: datetime
    subnets: tuple[SubnetView, ...] = ()
    rival: Holder | None = None


Outcome = Recorded | Parked


class Dispute(NamedTuple):
    """A port claims what another has. `holder` is a port, for some kinds an operator's or a VM's reservation,
    or the subnet whose gateway it is; see `ConflictKind`.
    """

    holder: UUID
    claimant: UUID
    since: datetime
    kind: ConflictKind = "address"


@dataclass(slots=True)
class Verdicts:
    """What becomes of all claims on one address. `holder` is None when none of them holds it."""

    holder: Holder | None = None
    since: datetime | None = None
    outcomes: dict[UUID, Outcome] = field(default_factory=dict)
    disputes: list[Dispute] = field(default_factory=list)


def strongest_per_port(claimants: Iterable[Claimant]) -> list[Claimant]:
    """One claim per port: its strongest, with the earliest time of all."""
    best: dict[UUID, Claimant] = {}
    for claimant in claimants:
        other = best.get(claimant.port)
        if other is None:
            best[claimant.port] = claimant
            continue
        first, second = sorted((claimant, other), key=lambda c: (-c.rank, c.since))
        best[claimant.port] = Claimant(
            port=first.port,
            nic=first.nic,
            source=first.source,
            since=min(first.since, second.since),
            match=first.match,
            reservation=first.reservation or second.reservation,
            contradicts=first.contradicts,
            unsettled=first.unsettled,
            mac=first.mac or second.mac,
            memory=first.memory,
        )
    return list(best.values())


def contest(
    claimants: Sequence[Claimant],
    outside: Holder | None,
    bound_to: str | None = None,
    *,
    prefer_living: bool = True,
) -> Verdicts:
    """Decide between `claimants` of one address in one scope.

    `outside` holds it without being a port: an operator's reservation, or one for a VM to come. The latter
    gives way to nobody but the port that confirms it; the former to ports with the MAC that it is `bound_to`,
    if it is, and then also to one for which an operator stated the address: its MAC may have changed.
    """
    ports = strongest_per_port(claimants)
    if outside is not None:
        heirs = [c for c in ports if _inherits(c, outside, bound_to)]
        if not heirs:
            return _kept_out(ports, outside, bound_to)
    else:
        heirs = ports
    if not heirs:
        return Verdicts()
    # Silence decides conflicts only: where there is none, nobody looks again who falls silent.
    winner = min(heirs, key=lambda c: (-c.rank, prefer_living and c.rank == 1 and c.memory, c.since, c.port))
    if winner.match.verdict == "link_local":
        return Verdicts(outcomes={c.port: _parked(c) for c in ports})
    kept = _won(winner)
    holder = Holder("nic", winner.nic) if isinstance(kept, Recorded) else Holder("sighting", winner.port)
    verdicts = Verdicts(holder, winner.since, {winner.port: kept})
    kind = _kind(winner, bound_to)
    for claimant in ports:
        if claimant.port == winner.port:
            continue
        verdicts.outcomes[claimant.port] = (
            _beaten(claimant, "conflict", holder) if claimant.rank else _parked(claimant)
        )
        if winner.rank:
            # Neither of two that match nothing has a right to the address: that is no conflict, just noise.
            since = max(winner.since, claimant.since)
            verdicts.disputes.append(Dispute(winner.port, claimant.port, since, kind))
    return verdicts


def share(claimants: Sequence[Claimant]) -> Verdicts:
    """Several ports may have the address: it is nobody's, and nobody is in another's way."""
    return Verdicts(
        outcomes={
            c.port: _parked(c) if c.match.verdict == "link_local" else _beaten(c, "shared", None)
            for c in strongest_per_port(claimants)
        }
    )


def gateways(claimants: Sequence[Claimant], address: str) -> list[Dispute]:
    """Ports that have the address of the gateway of the subnet they are in."""
    found = []
    for claimant in strongest_per_port(claimants):
        subnet = claimant.match.subnet
        if subnet is not None and subnet.gateway is not None and str(subnet.gateway) == address:
            found.append(Dispute(subnet.id, claimant.port, claimant.since, "gateway"))
    return found


def _kept_out(ports: Sequence[Claimant], outside: Holder, bound_to: str | None) -> Verdicts:
    verdicts = Verdicts(outcomes={c.port: _beaten(c, "reserved", outside) for c in ports})
    kind: ConflictKind = "reservation" if outside.kind == "reservation" else "reserved"
    if kind == "reserved" and bound_to is not None:
        kind = "bound"
    verdicts.disputes = [
        Dispute(outside.id, c.port, c.since, kind) for c in ports if c.match.verdict != "link_local"
    ]
    return verdicts


def _kind(winner: Claimant, bound_to: str | None) -> ConflictKind:
    if winner.source == "fixed":
        return "fixed"
    return "bound" if bound_to is not None else "address"


def _inherits(claimant: Claimant, outside: Holder, bound_to: str | None) -> bool:
    if outside.kind == "reservation":
        return claimant.reservation == outside.id
    return bound_to is not None and (claimant.mac == bound_to or claimant.source == "fixed")


def _won(claimant: Claimant) -> Outcome:
    if claimant.rank and claimant.match.subnet is not None:
        return Recorded(claimant.match.subnet, claimant.source, claimant.since)
    return _parked(claimant)


def _parked(claimant: Claimant) -> Parked:
    if claimant.contradicts and claimant.match.verdict != "link_local":
        found = claimant.match.subnets if claimant.match.subnet is None else (claimant.match.subnet,)
        return Parked("drift", claimant.since, found)
    if claimant.unsettled and claimant.match.subnet is not None:
        return Parked("unsettled", claimant.since, (claimant.match.subnet,))
    verdict = claimant.match.verdict or "weaker_source"
    return Parked(verdict, claimant.since, claimant.match.subnets)


def _beaten(claimant: Claimant, verdict: Verdict, rival: Holder | None) -> Parked:
    subnets = claimant.match.subnets if claimant.match.subnet is None else (claimant.match.subnet,)
    return Parked(verdict, claimant.since, subnets, rival)

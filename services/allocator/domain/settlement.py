"""The decision as a whole: from all that bears on some addresses to verdicts, holders and conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.allocator.domain.claims import (
    Claimant,
    Dispute,
    Outcome,
    contest,
    gateways,
    share,
    strongest_per_port,
)
from services.allocator.domain.matching import Match, Role, SubnetView, match
from services.allocator.domain.reports import UNPLACED
from shared.events.nic import NicSource
from shared.ipam.domain import Holder
from shared.model.identifiers import derive

Spot = tuple[UUID, str]
"""A scope and an address in it."""


@dataclass(frozen=True, slots=True)
class SeenOn:
    """An address that a living port is seen with, or one that is gone was: `ended_at`."""

    port: UUID
    nic: UUID
    device_key: int
    address: str
    wire: UUID
    vcenter: UUID
    since: datetime
    ended_at: datetime | None = None
    mac: str | None = None
    unsettled: bool = False
    """What was seen on the port before still counts, see `kept`."""


@dataclass(frozen=True, slots=True)
class Stated:
    """An address that people stated for a port, or that a reservation brought to it.

    It counts while the port lives. With `ended_at` the VM went then; `abandoned`: it lives without the port.
    """

    port: UUID
    nic: UUID
    unplaced: UUID
    """Port that the VM's addresses stand on while Tools tell no device for them."""
    address: str
    source: NicSource
    subnet: SubnetView
    since: datetime
    reservation: UUID | None = None
    ended_at: datetime | None = None
    abandoned: bool = False
    mac: str | None = None

    @property
    def spot(self) -> Spot:
        """The address in its scope."""
        return self.subnet.scope, self.address

    @property
    def counts(self) -> bool:
        """The port is there to have the address."""
        return self.ended_at is None and not self.abandoned


@dataclass(frozen=True, slots=True)
class Held:
    """A row of the ledger. `seen`: it cools down because a port had it, by facts; a late one may differ."""

    holder: Holder
    since: datetime
    seen: bool = False


class Reserved(NamedTuple):
    """An operator reserved the address: for the port with `mac`, or for nobody."""

    holder: Holder
    mac: str | None
    since: datetime


@dataclass(slots=True)
class Case:
    """All that bears on `addresses`. `fixed` has all that operators stated for a port, others too."""

    addresses: set[str]
    seen: Sequence[SeenOn]
    stated: Sequence[Stated]
    fixed: Mapping[UUID, set[str]]
    known_wires: set[UUID]
    on_wire: Mapping[UUID, Sequence[tuple[SubnetView, Role]]]
    containing: Mapping[Spot, SubnetView]
    scope_of: Mapping[UUID, UUID]
    """Scope by vCenter."""
    ledger: Mapping[Spot, Held]
    explained: Mapping[tuple[UUID, str], Match] = field(default_factory=dict)
    """By wire and address, what `explained_on` said of `seen`."""
    reserved: Mapping[Spot, Reserved] = field(default_factory=dict)
    shared: Mapping[Spot, datetime] = field(default_factory=dict)
    """Addresses that several may have, and since when people say so."""
    silent: frozenset[UUID] = frozenset()
    """Ports of VMs that are off, or whose Tools are silent."""
    prefer_living: bool = True


class Ending(NamedTuple):
    """The last holder of an address that nobody has any more."""

    holder: Holder
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """What the ledger is to say of an address: who has it, and since when; or whose end it had; or free."""

    holder: Holder | None = None
    since: datetime | None = None
    ending: Ending | None = None


@dataclass(slots=True)
class Ruling:
    """What was decided."""

    outcomes: dict[UUID, dict[str, Outcome]] = field(default_factory=dict)
    scopes: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    """The scope of each port's address."""
    disputes: list[tuple[Spot, Dispute]] = field(default_factory=list)
    ledger: dict[Spot, Wish] = field(default_factory=dict)


def shared_by(scope: UUID, address: str) -> Holder:
    """The holder that stands for all who share `address`."""
    return Holder("reserved", derive("shared", scope, address))


def rule(case: Case) -> Ruling:
    """Decide. Depends on nothing but `case`."""
    claims: dict[Spot, list[Claimant]] = {}
    ruling = Ruling()
    for address, claimants in _by_address(case).items():
        for claimant, scope in claimants:
            claims.setdefault((scope, address), []).append(claimant)
            ruling.scopes[claimant.port, address] = scope
    endings = _endings(case)
    spots = claims.keys() | endings.keys() | case.reserved.keys() | case.shared.keys()
    spots |= {s for s in case.ledger if s[1] in case.addresses}
    for spot in sorted(spots, key=lambda spot: (spot[0].int, spot[1])):
        _rule_on(ruling, case, spot, claims.get(spot, ()), endings.get(spot))
    return ruling


def _rule_on(
    ruling: Ruling, case: Case, spot: Spot, claimants: Sequence[Claimant], ending: Ending | None
) -> None:
    held = case.ledger.get(spot)
    if spot in case.shared:
        for port, outcome in share(claimants).outcomes.items():
            ruling.outcomes.setdefault(port, {})[spot[1]] = outcome
        ruling.ledger[spot] = Wish(shared_by(*spot), case.shared[spot])
        return
    if held is not None and held.holder.kind == "reserved" and held.holder == shared_by(*spot):
        held = None
    outside = held.holder if held is not None and held.holder.kind in ("reservation", "reserved") else None
    reserved = case.reserved.get(spot)
    if reserved is not None and (outside is None or outside.kind == "reserved"):
        outside = reserved.holder
    bound_to = None if reserved is None else reserved.mac
    verdicts = contest(claimants, outside, bound_to, prefer_living=case.prefer_living)
    for port, outcome in verdicts.outcomes.items():
        ruling.outcomes.setdefault(port, {})[spot[1]] = outcome
    ruling.disputes += [(spot, dispute) for dispute in verdicts.disputes]
    ruling.disputes += [(spot, dispute) for dispute in gateways(claimants, spot[1])]
    if verdicts.holder is not None:
        ruling.ledger[spot] = Wish(verdicts.holder, verdicts.since)
    elif reserved is not None and outside == reserved.holder:
        ruling.ledger[spot] = Wish(reserved.holder, reserved.since)
    elif outside is None:
        ruling.ledger[spot] = Wish(ending=ending)
    elif any(s.reservation == outside.id and not s.counts and s.spot == spot for s in case.stated):
        # Confirmed for a VM that is gone again, or has lost the device: what was the VM's ends with it.
        ruling.ledger[spot] = Wish(ending=ending)


def _by_address(case: Case) -> dict[str, list[tuple[Claimant, UUID]]]:
    """The claims on each address, one per port, each with its scope."""
    per_address: dict[str, list[Claimant]] = {}
    scope: dict[tuple[UUID, str], UUID] = {}
    # Tools that tell the address without a device say nothing against whoever states the device.
    placed = {(stated.unplaced, stated.address) for stated in case.stated if stated.counts}
    for seen in case.seen:
        if seen.ended_at is None and (seen.port, seen.address) not in placed:
            matched = _match(case, seen)
            own = case.scope_of[seen.vcenter]
            scope[seen.port, seen.address] = own if matched.subnet is None else matched.subnet.scope
            per_address.setdefault(seen.address, []).append(
                Claimant(
                    port=seen.port,
                    nic=seen.nic,
                    source="tools",
                    since=seen.since,
                    match=matched,
                    contradicts=_contradicts(seen.address, case.fixed.get(seen.port, ())),
                    unsettled=seen.unsettled,
                    mac=seen.mac,
                    memory=seen.port in case.silent,
                )
            )
    for stated in case.stated:
        if stated.counts:
            scope[stated.port, stated.address] = stated.subnet.scope
            per_address.setdefault(stated.address, []).append(
                Claimant(
                    port=stated.port,
                    nic=stated.nic,
                    source=stated.source,
                    since=stated.since,
                    match=Match(subnet=stated.subnet),
                    reservation=stated.reservation,
                    mac=stated.mac,
                )
            )
    return {
        address: [(c, scope[c.port, address]) for c in strongest_per_port(claimants)]
        for address, claimants in per_address.items()
    }


def _endings(case: Case) -> dict[Spot, Ending]:
    """The last of those who had each address and have it no more."""
    last: dict[Spot, Ending] = {}
    for seen in case.seen:
        if seen.ended_at is not None:
            matched = _match(case, seen)
            if matched.verdict == "link_local":
                continue
            if matched.subnet is not None:
                spot = (matched.subnet.scope, seen.address)
                holder = Holder("nic", seen.nic)
            else:
                spot = (case.scope_of[seen.vcenter], seen.address)
                holder = Holder("sighting", seen.port)
            _keep_later(last, spot, Ending(holder, seen.since, seen.ended_at))
    for stated in case.stated:
        if stated.ended_at is not None:
            ending = Ending(Holder("nic", stated.nic), stated.since, stated.ended_at)
            _keep_later(last, stated.spot, ending)
    return last


def _keep_later(last: dict[Spot, Ending], spot: Spot, ending: Ending) -> None:
    known = last.get(spot, ending)
    last[spot] = max(known, ending, key=lambda e: (e.at, e.holder.kind, e.holder.id))


def explained_on(
    on_wire: Mapping[UUID, Sequence[tuple[SubnetView, Role]]], seen: Iterable[SeenOn]
) -> dict[tuple[UUID, str], Match]:
    """By wire and address, those that a subnet of their own wire explains: whatever else there is."""
    found = {
        (s.wire, s.address): match(s.address, s.device_key, True, on_wire.get(s.wire, ()), None)
        for s in seen
        if s.device_key != UNPLACED
    }
    return {key: each for key, each in found.items() if each.subnet is not None}


def _match(case: Case, seen: SeenOn) -> Match:
    explained = case.explained.get((seen.wire, seen.address))
    if explained is not None and seen.wire in case.known_wires and seen.device_key != UNPLACED:
        return explained
    return match(
        seen.address,
        seen.device_key,
        seen.wire in case.known_wires,
        case.on_wire.get(seen.wire, ()),
        case.containing.get((case.scope_of[seen.vcenter], seen.address)),
    )


def _contradicts(address: str, fixed: Iterable[str]) -> bool:
    return any((":" in other) == (":" in address) for other in fixed) and address not in fixed

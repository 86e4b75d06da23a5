"""Who gets an address: claims and releases judged against who holds it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal, NamedTuple
from uuid import UUID

from shared.model.addresses import canonical
from shared.model.identifiers import derive

HolderKind = Literal["nic", "sighting", "reservation", "reserved", "cooling"]


def _canonical(holder: Claim | Release) -> None:
    # Rows are told apart by their address's text, so one spelling only.
    spelled = canonical(holder.address)
    if spelled != holder.address:
        object.__setattr__(holder, "address", spelled)


class Holder(NamedTuple):
    """Who holds an address: a NIC record, a sighting, a reservation, or an operator ("reserved").

    "cooling" is no live holder: `id` is then the one that released the address.
    """

    kind: HolderKind
    id: UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """`holder` wants `address`, and has it since `since` (the time of the event that says so).

    `instead_of` allows taking it over from exactly that holder: a NIC record from the sighting of its own
    port and back, or from the reservation that it confirms; a reservation from its own cooling. `until` is
    for reservations: when they end.
    """

    address: str
    holder: Holder
    since: datetime
    note: str | None = None
    instead_of: Holder | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        _canonical(self)


@dataclass(frozen=True, slots=True)
class Release:
    """`holder` no longer has `address` since `at`, the time of the event that says so."""

    address: str
    holder: Holder
    at: datetime

    def __post_init__(self) -> None:
        _canonical(self)


class Held(NamedTuple):
    """One row of the ledger. While it cools, `since` is the release and `until` the end of the rest."""

    scope: UUID
    address: str
    holder: Holder
    subnet: UUID | None
    since: datetime
    until: datetime | None = None
    note: str | None = None


class Reserved(NamedTuple):
    """What an operator said of an address: nobody is to have it, or only the port with `mac`."""

    mac: str | None
    since: datetime
    until: datetime | None = None
    note: str | None = None


@dataclass(slots=True)
class Steps:
    """What to do with addresses of one scope, in this order; each step sees what the ones before it left.

    What is let go by `undo` and `forget` is free at once, what is let go by `release` cools down.
    """

    undo: list[Release] = field(default_factory=list)
    occupy: list[Claim] = field(default_factory=list)
    release: list[Release] = field(default_factory=list)
    forget: list[Release] = field(default_factory=list)

    def addresses(self) -> list[str]:
        """All that the steps speak of, each once."""
        releases = chain(self.undo, self.release, self.forget)
        spoken = chain([claim.address for claim in self.occupy], [release.address for release in releases])
        return list(dict.fromkeys(spoken))


class Place(NamedTuple):
    """What the ledger knows of an address before it is written to."""

    subnet: UUID | None
    cooldown: timedelta
    """How long the subnet lets a released address rest."""
    remembers: bool
    """The subnet hands out the longest unused address: what was released stays on record."""
    reserved: Reserved | None = None


@dataclass(slots=True)
class Settlement:
    """What came of the steps, and how the rows of the ledger are to change for it."""

    granted: list[Claim] = field(default_factory=list)
    refused: list[tuple[Claim, Holder]] = field(default_factory=list)
    released: list[Release] = field(default_factory=list)
    not_held: list[tuple[Release, Holder | None]] = field(default_factory=list)
    inserts: list[Held] = field(default_factory=list)
    updates: list[Held] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    """Addresses that no operator reserves any more."""


def settle(
    scope: UUID, steps: Steps, places: Mapping[str, Place], now_held: Mapping[str, Held]
) -> Settlement:
    """Judge `steps`, and those of one kind in their order.

    The first claim to a free address gets it, later ones see its holder. Who does not hold an address can't
    release it, early or late.
    """
    settlement = Settlement()
    book = _Book(scope, dict(places), dict(now_held), settlement)
    book.let_go(steps.undo, cooldown=False)
    book.take(steps.occupy)
    book.let_go(steps.release, cooldown=True)
    book.let_go(steps.forget, cooldown=False)
    _note_changes(settlement, now_held, book.held)
    return settlement


@dataclass(slots=True)
class _Book:
    """Who holds what, from step to step."""

    scope: UUID
    places: dict[str, Place]
    held: dict[str, Held | None]
    settlement: Settlement

    def take(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            current = self.held.get(claim.address)
            if current is not None and current.holder == claim.holder:
                self.settlement.granted.append(claim)
            elif current is None or _gives_way(current, claim):
                self.settlement.granted.append(claim)
                self.held[claim.address] = _row(self.scope, claim, self.places[claim.address])
            else:
                self.settlement.refused.append((claim, current.holder))

    def let_go(self, releases: Iterable[Release], *, cooldown: bool) -> None:
        for release in releases:
            address = release.address
            current = self.held.get(address)
            if current is None or current.holder != release.holder or current.holder.kind == "cooling":
                self.settlement.not_held.append((release, None if current is None else current.holder))
                continue
            self.settlement.released.append(release)
            self.held[address] = _left(current, release, self.places[address], cooldown=cooldown)
            if current.holder.kind == "reserved":
                self.settlement.given_up.append(address)
                self.places[address] = self.places[address]._replace(reserved=None)


def reserved_by(scope: UUID, address: str) -> Holder:
    """The holder that stands for the operator's wish to keep `address` out of use, or for one port."""
    return Holder("reserved", derive("reserved", scope, address))


def release_note(kind: str) -> str:
    """What a cooling row notes of who gave the address up: a holder of `kind`."""
    return f"released by {kind}"


def _left(current: Held, release: Release, place: Place, *, cooldown: bool) -> Held | None:
    """What a released address is then: reserved again, cooling down, or free (None)."""
    wish = place.reserved
    if wish is not None and current.holder.kind != "reserved":
        holder = reserved_by(current.scope, current.address)
        return Held(current.scope, current.address, holder, place.subnet, wish.since, wish.until, wish.note)
    return _cooling(current, release, place) if cooldown else None


def _gives_way(current: Held, claim: Claim) -> bool:
    if current.holder == claim.instead_of:
        return True
    if current.holder.kind != "cooling":
        return False
    # Who is seen with an address has it, rested or not; only a VM to come must wait.
    return claim.holder.kind != "reservation" or (current.until is not None and current.until <= claim.since)


def _row(scope: UUID, claim: Claim, place: Place) -> Held:
    until, note = claim.until, claim.note
    if claim.holder.kind == "reserved" and place.reserved is not None:
        until, note = until or place.reserved.until, note or place.reserved.note
    return Held(scope, claim.address, claim.holder, place.subnet, claim.since, until, note)


def _cooling(current: Held, release: Release, place: Place) -> Held | None:
    if place.subnet is None or (not place.cooldown and not place.remembers):
        return None
    return Held(
        scope=current.scope,
        address=current.address,
        holder=Holder("cooling", release.holder.id),
        subnet=place.subnet,
        since=release.at,
        until=release.at + place.cooldown,
        note=release_note(release.holder.kind),
    )


def _note_changes(
    settlement: Settlement, before: Mapping[str, Held], after: Mapping[str, Held | None]
) -> None:
    for address, row in after.items():
        old = before.get(address)
        if row is None:
            if old is not None:
                settlement.deletes.append(address)
        elif old is None:
            settlement.inserts.append(row)
        elif old != row:
            settlement.updates.append(row)

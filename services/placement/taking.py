"""Addresses for what was chosen: taken from the ledger under its locks, for all of a request or for none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.placement.domain.deciding import Choice
from services.placement.domain.targets import Exclusion, wanted_address
from shared.events.placement import VmCreateRequested
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import Holder, Wish, allocate, allocate_each
from shared.model.identifiers import reservation_id
from shared.store.pool import Connection


@dataclass(slots=True)
class Ask:
    """A request on its way to its answer. `excluded` grows as the ledger turns subnets down."""

    request: VmCreateRequested
    batch: str | None = None
    excluded: list[Exclusion] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What was chosen for it and taken or changed before it was committed, a line for each time."""

    @property
    def reservation(self) -> UUID:
        """Id of the reservation that would answer it."""
        return reservation_id(self.request.request_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A choice that is not committed yet; a MAC for each NIC, None where vCenter chooses."""

    ask: Ask
    choice: Choice
    macs: list[str | None]


async def take_plain(conn: Connection, drafts: Sequence[Draft], now: datetime) -> dict[UUID, str]:
    """The next free address for those who want no more than one, by reservation; all in a few statements.

    Not of subnets that others ask addresses of by name, or for several NICs: those come in their turn.
    """
    plain = [draft for draft in drafts if _is_plain(draft)]
    others = {
        subnet.id
        for draft in drafts
        if not _is_plain(draft)
        for option in draft.choice.options
        for subnet in option.subnets
    }
    wishes = {
        draft.ask.reservation: Wish(
            draft.choice.options[0].subnet.id,
            Holder("reservation", draft.ask.reservation),
            now + timedelta(seconds=draft.ask.request.lease_seconds),
        )
        for draft in plain
        if draft.choice.options[0].subnet.id not in others
    }
    if not wishes:
        return {}
    found = await allocate_each(conn, list(wishes.values()), now, now=now)
    return {key: address for key, address in zip(wishes, found, strict=True) if address is not None}


def _is_plain(draft: Draft) -> bool:
    options = draft.choice.options
    plain = len(options) == 1 and len(options[0].subnets) == 1 and _wanted(draft, 0, 0) is None
    # A MAC that somebody chose may have an address bound to it.
    return plain and draft.ask.request.nics[0].mac in ("generated", "vcenter")


async def take_all(conn: Connection, draft: Draft, now: datetime) -> list[list[str]]:
    """Addresses for each NIC or for none. Raises `LedgerRefusal`, having noted it with the request."""
    options = draft.choice.options
    if len(options) == 1 and len(options[0].subnets) == 1:
        return [[await _take(conn, draft, 0, 0, now)]]
    places = [(index, place) for index, option in enumerate(options) for place in range(len(option.subnets))]
    # What is asked for by name goes first: the next free address could be it.
    places.sort(key=lambda item: _wanted(draft, *item) is None)
    async with conn.transaction():
        taken = {item: await _take(conn, draft, *item, now) for item in places}
    return [
        [taken[index, place] for place in range(len(option.subnets))] for index, option in enumerate(options)
    ]


def _wanted(draft: Draft, index: int, place: int) -> str | None:
    return wanted_address(draft.ask.request.nics[index], draft.choice.options[index].subnets[place])


async def _take(conn: Connection, draft: Draft, index: int, place: int, now: datetime) -> str:
    ask, subnet = draft.ask, draft.choice.options[index].subnets[place]
    try:
        [address] = await allocate(
            conn,
            subnet.id,
            1,
            Holder("reservation", ask.reservation),
            now,
            now=now,
            wanted=_wanted(draft, index, place),
            until=now + timedelta(seconds=ask.request.lease_seconds),
            mac=draft.macs[index],
        )
    except LedgerRefusal as refusal:
        ask.excluded.append(Exclusion(index, subnet.id, refusal.code, str(refusal)))
        raise
    return address

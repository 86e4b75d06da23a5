"""Makes the address ledger say what was ruled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.allocator.domain.settlement import Ending, Held, Spot, Wish, shared_by
from shared.ipam.domain import Holder
from shared.ipam.ledger import Claim, Release, Steps, follow, lock_subnets
from shared.runtime.errors import ConflictError
from shared.store.pool import Connection


async def sync(
    conn: Connection,
    wishes: Mapping[Spot, Wish],
    ledger: Mapping[Spot, Held],
    *,
    now: datetime,
) -> None:
    """Occupy and release.

    An address that nobody has, and whose end nothing dates, is free: a late fact has shown that nobody ever
    had it, or nobody was ever seen with it.

    Raises ConflictError when an address has another holder by now than `ledger` says.
    """
    scopes: dict[UUID, Steps] = {}
    for spot, wish in wishes.items():
        steps = scopes.setdefault(spot[0], Steps())
        held = ledger.get(spot)
        if wish.holder is not None and wish.since is not None:
            if (
                held is not None
                and held.holder == wish.holder == shared_by(*spot)
                and held.since != wish.since
            ):
                steps.undo.append(Release(spot[1], held.holder, now))
                held = None
            _occupy(steps, spot[1], wish.holder, wish.since, held)
        elif wish.ending is not None:
            _end(steps, spot[1], wish.ending, held)
        elif held is not None and held.seen:
            # Nobody rests whom no fact tells of any more: the ledger lets only holders go.
            holder = Holder("sighting", held.holder.id)
            steps.occupy.append(Claim(spot[1], holder, held.since, instead_of=held.holder))
            steps.forget.append(Release(spot[1], holder, now))
        elif held is not None and (
            held.holder.kind in ("nic", "sighting", "reservation") or held.holder == shared_by(*spot)
        ):
            steps.undo.append(Release(spot[1], held.holder, now))
    if len(scopes) > 1:
        # All at once: each call locks the subnets of one scope, and two such transactions could deadlock.
        spots = [(scope, address) for scope, steps in scopes.items() for address in steps.addresses()]
        await lock_subnets(conn, (), addresses=spots)
    for scope in sorted(scopes):
        settlement = await follow(conn, scope, scopes[scope])
        if settlement.refused:
            claim, holder = settlement.refused[0]
            raise ConflictError(f"{claim.address} went to {holder.kind} {holder.id} in the meantime")


def _occupy(steps: Steps, address: str, holder: Holder, since: datetime, held: Held | None) -> None:
    if held is not None and held.holder == holder:
        if held.since == since or holder.kind == "reserved":
            return
        # A late fact told that it began earlier: the ledger keeps the time it was first told.
        steps.undo.append(Release(address, holder, since))
        held = None
    steps.occupy.append(Claim(address, holder, since, instead_of=None if held is None else held.holder))


def _end(steps: Steps, address: str, ending: Ending, held: Held | None) -> None:
    """Let the address cool down from the end of its last holder, in whose name it is released."""
    if held is not None and held.holder.kind == "cooling":
        # What others released later than that, such as an expired reservation, cools down for them.
        if not held.seen and held.since >= ending.at:
            return
        if (held.holder.id, held.since) == (ending.holder.id, ending.at):
            return
        held = None
    elif held is not None and held.holder == ending.holder:
        steps.release.append(Release(address, ending.holder, ending.at))
        return
    steps.occupy.append(
        Claim(address, ending.holder, ending.since, instead_of=None if held is None else held.holder)
    )
    steps.release.append(Release(address, ending.holder, ending.at))

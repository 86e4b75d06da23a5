"""Who is in the way of a change: refusals of the ledger with the holders' names put to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

from services.allocator.domain.sentences import party_sentence
from services.allocator.domain.ways_out import free
from services.allocator.naming import read_parties
from shared.ipam.domain import Held, Holder
from shared.ipam.errors import LedgerRefusal
from shared.store.pool import Connection

NAMED = 20


@asynccontextmanager
async def holders_named(conn: Connection) -> AsyncIterator[None]:
    """Let a refusal subnet_in_use list who uses which address."""
    try:
        yield
    except LedgerRefusal as refusal:
        if refusal.code != "subnet_in_use":
            raise
        found = cast("Sequence[Mapping[str, Any]]", refusal.details["holders"])
        said = str(refusal).partition(", the first is")[0]
        held = [(str(one["address"]), Holder(one["kind"], UUID(one["id"]))) for one in found]
        raise LedgerRefusal(
            f"{said}: {await listed(conn, held, cast('int', refusal.details['total']))}",
            code=refusal.code,
            hint=refusal.hint,
            field=refusal.field,
            details=refusal.details,
        ) from None


async def listed(conn: Connection, held: Sequence[tuple[str, Holder]], total: int) -> str:
    """The first of `held` with who has each: "10.0.0.5 by the NIC record of VM 'a'; …"."""
    parties = await read_parties(conn, [holder for _, holder in held])
    named = [f"{address} by {party_sentence(parties[holder])}" for address, holder in held[:NAMED]]
    more = total - len(named)
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


async def refuse_held(conn: Connection, scope: str, held: Mapping[str, Held], what: str) -> None:
    """Raise `LedgerRefusal` address_taken when anybody is in `held`: the addresses can't be `what`."""
    if held:
        some = [(address, row.holder) for address, row in sorted(held.items())]
        count = f"{len(held)} addresses are" if len(held) > 1 else f"{some[0][0]} is"
        raise LedgerRefusal(
            f"{count} in use and can't be {what}: {await listed(conn, some, len(some))}",
            code="address_taken",
            hint=await _way_out(conn, scope, some),
            details={"addresses": [address for address, _ in some]},
        )


async def _way_out(conn: Connection, scope: str, held: Sequence[tuple[str, Holder]]) -> str:
    if len(held) > 1:
        return "leave these out, or change the addresses of those guests first"
    [(address, holder)] = held
    return free((await read_parties(conn, [holder]))[holder], address, scope)

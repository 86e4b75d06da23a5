"""Who holds which address: occupy, release, look up. For free ones see `allocate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ipam import address_rows
from shared.ipam.address_rows import held_from
from shared.ipam.allocation import allocate
from shared.ipam.allocation_in_bulk import Wish, allocate_each
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import Claim, Held, Holder, Release, settle, settle_releases
from shared.ipam.locks import lock_subnets
from shared.runtime.errors import ConflictError

__all__ = [
    "Claim",
    "Held",
    "Holder",
    "Occupied",
    "Release",
    "Released",
    "Wish",
    "allocate",
    "allocate_each",
    "extend",
    "held_by",
    "holders",
    "lock_subnets",
    "occupy",
    "reclaim",
    "release",
]

ATTEMPTS = 5
"""How often `occupy` looks again when somebody was faster to an address that is in no subnet."""


@dataclass(frozen=True, slots=True)
class Occupied:
    """Claims that were granted, and those refused, each with who holds the address."""

    granted: list[Claim]
    refused: list[tuple[Claim, Holder]]


@dataclass(frozen=True, slots=True)
class Released:
    """Releases that took effect, and those by others than the holder, each with who holds the address."""

    done: list[Release]
    not_held: list[tuple[Release, Holder | None]]


async def occupy(conn: Connection, scope: UUID, claims: Sequence[Claim]) -> Occupied:
    """Record who has which address; judged in order, written in bulk.

    A claim is granted when the address is free, is the claimant's already, is held by exactly the claim's
    `instead_of`, or cools down (a reservation waits for the end of that). Any address of the scope will do:
    in a subnet's ranges, outside them, in no subnet. Never raises for a refused claim. Raises ConflictError
    when others keep being faster.
    """
    require_transaction(conn)
    if not claims:
        return Occupied([], [])
    for _ in range(ATTEMPTS):
        places, held = await address_rows.examine(conn, scope, (claim.address for claim in claims))
        settlement = settle(scope, claims, places, held)
        inserted = await address_rows.insert(conn, scope, settlement.inserts)
        if len(inserted) == len(settlement.inserts):
            await address_rows.change(conn, scope, settlement.updates)
            return Occupied(settlement.granted, settlement.refused)
        # The address is in no subnet, so no lock stood for it. Judge all claims anew: some may differ now.
        await address_rows.delete(conn, scope, inserted)
    raise ConflictError("others kept taking the same addresses at the same time")


async def release(
    conn: Connection, scope: UUID, releases: Sequence[Release], *, cooldown: bool = True
) -> Released:
    """Let go of addresses, each only if it is that holder's still.

    An address that an operator reserved is reserved again. Any other of a subnet cools down until the
    release's `at` plus the subnet's cool-down, and is free at once without `cooldown`, without a cool-down,
    or without a subnet.
    """
    require_transaction(conn)
    if not releases:
        return Released([], [])
    places, held = await address_rows.examine(conn, scope, (r.address for r in releases))
    settlement = settle_releases(releases, places, held, cooldown=cooldown)
    await address_rows.change(conn, scope, settlement.updates)
    await address_rows.delete(conn, scope, settlement.deletes)
    if given_up := [r.address for r in settlement.released if r.holder.kind == "reserved"]:
        await conn.execute(
            "DELETE FROM ipam.reserved_address WHERE scope_id = $1 AND address = ANY ($2::text[]::inet[])",
            *(scope, given_up),
        )
    return Released(settlement.released, settlement.not_held)


async def extend(conn: Connection, holder: Holder, until: datetime) -> int:
    """Let a reservation last until `until`; how many addresses it holds."""
    require_transaction(conn)
    rows = await conn.fetch(
        "UPDATE ipam.address SET until = $3 WHERE holder_id = $1 AND holder_kind = $2 RETURNING 1",
        holder.id,
        holder.kind,
        until,
    )
    return len(rows)


async def reclaim(conn: Connection, subnets: Iterable[UUID], now: datetime, *, most: int = 10_000) -> int:
    """Forget addresses that have rested by `now`, at most `most` of each subnet; how many.

    `allocate` does this itself. It is for subnets that nobody allocates from, whose rested addresses would
    pile up.
    """
    wanted = sorted(subnets)
    await lock_subnets(conn, wanted)
    return sum([await conn.fetchval("SELECT ipam.reclaim($1, $2, $3)", s, now, most) for s in wanted])


async def holders(conn: Connection, scope: UUID, addresses: Iterable[str]) -> dict[str, Held]:
    """The ledger's rows of `addresses`, cooling ones too; who is missing is free, or was never seen."""
    rows = await conn.fetch(
        "SELECT * FROM ipam.address WHERE scope_id = $1 AND address = ANY ($2::inet[])",
        scope,
        list(addresses),
    )
    return {held.address: held for held in map(held_from, rows)}


async def held_by(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, list[Held]]:
    """What each of the live holders `ids` holds, by scope and address. Who holds nothing has no entry."""
    rows = await conn.fetch(
        """
        SELECT * FROM ipam.address WHERE holder_id = ANY ($1::uuid[]) AND holder_kind <> 'cooling'
        ORDER BY scope_id, address
        """,
        list(ids),
    )
    found: dict[UUID, list[Held]] = {}
    for row in rows:
        found.setdefault(row["holder_id"], []).append(held_from(row))
    return found

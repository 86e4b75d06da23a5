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
from shared.ipam.domain import Claim, Held, Holder, Release, Settlement, Steps, settle
from shared.ipam.locks import lock_subnets
from shared.runtime.errors import ConflictError

__all__ = [
    "Claim",
    "Held",
    "Holder",
    "Occupied",
    "Release",
    "Released",
    "Settlement",
    "Steps",
    "Wish",
    "allocate",
    "allocate_each",
    "extend",
    "follow",
    "held_by",
    "holders",
    "lock_subnets",
    "occupy",
    "reclaim",
    "release",
]

ATTEMPTS = 5
"""How often `follow` looks again when somebody was faster to an address that is in no subnet."""


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


async def follow(conn: Connection, scope: UUID, steps: Steps) -> Settlement:
    """Let go of addresses and record who has which: judged step by step, written at once.

    A claim is granted when the address is free, is the claimant's already, is held by exactly the claim's
    `instead_of`, or cools down (a reservation waits for the end of that). Any address of the scope will do:
    in a subnet's ranges, outside them, in no subnet. A release takes effect if it is by the holder. Then an
    address that an operator reserved is reserved again; any other of a subnet cools down until the
    release's `at` plus the subnet's cool-down, and is free at once by `undo` and `forget`, without a
    cool-down, or without a subnet.

    Never raises for what is refused. Raises ConflictError when others keep being faster.
    """
    require_transaction(conn)
    asked = steps.addresses()
    if not asked:
        return Settlement()
    for _ in range(ATTEMPTS):
        places, held = await address_rows.examine(conn, scope, asked)
        settlement = settle(scope, steps, places, held)
        # False: an address was in no subnet, so no lock stood for it. All is judged anew: some may differ.
        if await address_rows.write(conn, scope, settlement.inserts, settlement.updates, settlement.deletes):
            await _give_up(conn, scope, settlement.given_up)
            return settlement
    raise ConflictError("others kept taking the same addresses at the same time")


async def occupy(conn: Connection, scope: UUID, claims: Sequence[Claim]) -> Occupied:
    """Record who has which address; judged in order, see `follow`."""
    settlement = await follow(conn, scope, Steps(occupy=list(claims)))
    return Occupied(settlement.granted, settlement.refused)


async def release(
    conn: Connection, scope: UUID, releases: Sequence[Release], *, cooldown: bool = True
) -> Released:
    """Let go of addresses, each only if it is that holder's still; without `cooldown` free at once."""
    let_go = list(releases)
    settlement = await follow(conn, scope, Steps(release=let_go) if cooldown else Steps(forget=let_go))
    return Released(settlement.released, settlement.not_held)


async def _give_up(conn: Connection, scope: UUID, addresses: Sequence[str]) -> None:
    """Forget what operators said of addresses that they reserve no longer."""
    if addresses:
        await conn.execute(
            "DELETE FROM ipam.reserved_address WHERE scope_id = $1 AND address = ANY ($2::text[]::inet[])",
            *(scope, addresses),
        )


async def extend(conn: Connection, reservation: UUID, until: datetime) -> int:
    """Let a reservation last until `until`; how many addresses it holds."""
    require_transaction(conn)
    rows = await conn.fetch(
        "UPDATE ipam.address SET until = $2 WHERE holder_id = $1 AND holder_kind = 'reservation' RETURNING 1",
        reservation,
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
        "SELECT * FROM ipam.address WHERE scope_id = $1 AND address = ANY ($2::text[]::inet[])",
        scope,
        list(addresses),
    )
    return {held.address: held for held in map(held_from, rows)}


async def held_by(conn: Connection, reservations: Iterable[UUID]) -> dict[UUID, list[Held]]:
    """What each of `reservations` holds, by scope and address. One that holds nothing has no entry."""
    rows = await conn.fetch(
        """
        SELECT * FROM ipam.address WHERE holder_id = ANY ($1::uuid[]) AND holder_kind = 'reservation'
        ORDER BY scope_id, address
        """,
        list(reservations),
    )
    found: dict[UUID, list[Held]] = {}
    for row in rows:
        found.setdefault(row["holder_id"], []).append(held_from(row))
    return found

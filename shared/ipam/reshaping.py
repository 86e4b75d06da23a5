"""Several subnets of one, one of several, or one with another prefix: all or nothing, addresses stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from shared.events.subnet import SubnetFacts
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain.reshaping import Roles, Senseless, Use
from shared.ipam.errors import LedgerRefusal
from shared.ipam.locks import lock_subnets
from shared.ipam.scopes import lock_scope_for_subnets
from shared.ipam.subnet_rows import Subnet, list_subnets
from shared.ipam.subnet_writing import (
    insert_subnet,
    ranges_of,
    refuse_mistakes,
    refuse_rivals,
    store_changes,
    store_ranges,
    take_in,
)
from shared.model.addresses import IPNetwork, parse_prefix

HOLDERS_NAMED = 20


async def reshape(
    conn: Connection,
    before: Sequence[Subnet],
    after: Sequence[SubnetFacts],
    at: datetime,
    *,
    roles: Mapping[UUID, Roles] | None = None,
    whoever_holds: bool = False,
) -> list[Subnet]:
    """Put `after` into the place of `before`, all of one scope; the subnets as they are then, in that order.

    One of `after` that has the id of one of `before` is that subnet with other facts, the rest are new;
    those of `before` that are missing are gone. What the ledger holds in them passes to the subnet that
    contains it now; what cools down outside is forgotten. `roles` are the additional wires of each, if they
    change.

    Raises `LedgerRefusal` with the code of a mistake, subnet_overlaps, name_taken, or subnet_in_use when an
    address in use would be outside, or the network or broadcast address, unless `whoever_holds`. Nobody else
    writes addresses of the scope until the transaction ends.
    """
    require_transaction(conn)
    scope, old = before[0].scope_id, [subnet.id for subnet in before]
    await lock_scope_for_subnets(conn, scope)
    await lock_subnets(conn, old)
    prefixes = {draft.id: parse_prefix(draft.prefix) for draft in after}
    for draft in after:
        refuse_mistakes(draft)
        await refuse_rivals(conn, scope, draft, prefixes[draft.id], but=[*old, *prefixes])
    if not whoever_holds:
        await _refuse_left_behind(conn, before, list(prefixes.values()))
    await conn.execute("UPDATE ipam.address SET subnet_id = NULL WHERE subnet_id = ANY ($1::uuid[])", old)
    await conn.execute(
        "DELETE FROM ipam.subnet WHERE id = ANY ($1::uuid[])", [i for i in old if i not in prefixes]
    )
    # Those that stay first: what they give up may be what a new one takes.
    for draft in sorted(after, key=lambda draft: draft.id not in old):
        if draft.id in old:
            await store_changes(conn, draft, at)
        else:
            await insert_subnet(conn, scope, draft, at)
        await store_ranges(conn, draft.id, ranges_of(draft))
        await take_in(conn, scope, draft.id, prefixes[draft.id])
    await _forget_cooling(conn, scope, [subnet.prefix for subnet in before])
    if roles is not None:
        await _store_roles(conn, roles)
    found = {subnet.id: subnet for subnet in await list_subnets(conn, ids=prefixes)}
    return [found[draft.id] for draft in after]


@contextmanager
def shapes_refused() -> Iterator[None]:
    """Let the ledger refuse what the domain finds senseless."""
    try:
        yield
    except Senseless as error:
        raise LedgerRefusal(str(error), code=error.code, hint=error.hint, field=error.field) from None


async def roles_of(conn: Connection, subnets: Sequence[UUID]) -> dict[UUID, dict[UUID, Use]]:
    """The additional wires of each of `subnets`."""
    rows = await conn.fetch(
        "SELECT subnet_id, wire_id, role, since, by FROM ipam.subnet_wire WHERE subnet_id = ANY ($1::uuid[])",
        list(subnets),
    )
    found: dict[UUID, dict[UUID, Use]] = {subnet: {} for subnet in subnets}
    for row in rows:
        found[row["subnet_id"]][row["wire_id"]] = Use(row["role"], row["since"], row["by"])
    return found


async def _refuse_left_behind(
    conn: Connection, before: Sequence[Subnet], prefixes: Sequence[IPNetwork]
) -> None:
    """Nobody's address may end up outside, or become one that no host can have."""
    ends = {end for p in prefixes if p.num_addresses > 2 for end in _ends(p)}
    ends -= {end for subnet in before if subnet.prefix.num_addresses > 2 for end in _ends(subnet.prefix)}
    rows = await conn.fetch(
        """
        SELECT address, holder_kind, holder_id, address = ANY ($3::inet[]) AS special,
               count(*) OVER () AS total
        FROM ipam.address
        WHERE subnet_id = ANY ($1::uuid[]) AND holder_kind IN ('nic', 'reservation', 'reserved')
          AND (NOT address <<= ANY ($2::inet[])
               OR (address = ANY ($3::inet[]) AND holder_kind <> 'reserved'))
        ORDER BY address LIMIT $4
        """,
        *([subnet.id for subnet in before], list(prefixes), list(ends), HOLDERS_NAMED),
    )
    if rows:
        first = rows[0]
        what = "the network or broadcast address" if first["special"] else "outside"
        holders = [
            {"address": str(r["address"]), "kind": r["holder_kind"], "id": str(r["holder_id"])} for r in rows
        ]
        raise LedgerRefusal(
            f"{rows[0]['total']} addresses in use have no place in {', '.join(map(str, prefixes))}: "
            f"{first['address']} ({first['holder_kind']}) would be {what}",
            code="subnet_in_use",
            field="prefix",
            hint="release them first, or choose other prefixes",
            details={"holders": holders, "total": first["total"]},
        )


def _ends(prefix: IPNetwork) -> list[object]:
    first, last = prefix.network_address, prefix.broadcast_address
    return [first, last] if prefix.version == 4 else [first]


async def _forget_cooling(conn: Connection, scope: UUID, prefixes: Sequence[IPNetwork]) -> None:
    await conn.execute(
        """
        DELETE FROM ipam.address
        WHERE scope_id = $1 AND subnet_id IS NULL AND holder_kind = 'cooling' AND address <<= ANY ($2::inet[])
        """,
        *(scope, list(prefixes)),
    )


async def _store_roles(conn: Connection, roles: Mapping[UUID, Roles]) -> None:
    await conn.execute("DELETE FROM ipam.subnet_wire WHERE subnet_id = ANY ($1::uuid[])", list(roles))
    await conn.executemany(
        "INSERT INTO ipam.subnet_wire (subnet_id, wire_id, role, since, by) VALUES ($1, $2, $3, $4, $5)",
        [(subnet, wire, *use) for subnet, uses in roles.items() for wire, use in uses.items()],
    )

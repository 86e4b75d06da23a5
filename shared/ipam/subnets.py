"""Subnets: made, changed and deleted by operators, looked up by everybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.events.subnet import SubnetFacts
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import default_ranges
from shared.ipam.errors import LedgerRefusal
from shared.ipam.locks import lock_subnets
from shared.ipam.reshaping import reshape
from shared.ipam.scopes import ensure_scope, lock_scope_for_subnets
from shared.ipam.subnet_rows import (
    Subnet,
    find,
    get,
    list_subnets,
    subnets_containing,
    subnets_of_addresses,
)
from shared.ipam.subnet_writing import (
    insert_subnet,
    ranges_of,
    refuse_mistakes,
    refuse_rivals,
    refuse_same_name,
    store_changes,
    store_ranges,
    take_in,
)
from shared.ipam.use import Use, utilisation
from shared.ipam.wires import (
    AdditionalRole,
    RoleChange,
    WireRole,
    set_wire,
    subnets_on_wires,
    wires_of_subnets,
)
from shared.model.addresses import parse_prefix

__all__ = [
    "AdditionalRole",
    "Change",
    "RoleChange",
    "Subnet",
    "Use",
    "WireRole",
    "create_subnet",
    "delete_subnet",
    "ensure_scope",
    "find",
    "get",
    "list_subnets",
    "lock_subnets",
    "set_wire",
    "subnets_containing",
    "subnets_of_addresses",
    "subnets_on_wires",
    "update_subnet",
    "utilisation",
    "wires_of_subnets",
]

CHANGEABLE = frozenset(SubnetFacts.model_fields) - {"id", "scope", "revision"}
"""Fields that `update_subnet` takes. A subnet of another scope is another subnet."""
HOLDERS_NAMED = 20


class Change(NamedTuple):
    """A subnet before and after an update."""

    before: Subnet
    after: Subnet


async def create_subnet(conn: Connection, draft: SubnetFacts, at: datetime) -> Subnet:
    """Create the subnet that `draft` describes. No ranges means all of the prefix that can be allocated.

    Addresses that the ledger already holds in the prefix become the subnet's and are not free in it. Nobody
    else writes addresses of the scope until the transaction ends, so make this its first call here. Raises
    `LedgerRefusal` with the code of the first mistake, subnet_overlaps or name_taken (both with the rival's
    id in `details["subnet"]`; the draft's own id there means that it was created before).
    """
    require_transaction(conn)
    refuse_mistakes(draft)
    scope = await ensure_scope(conn, draft.scope)
    await lock_scope_for_subnets(conn, scope)
    prefix = parse_prefix(draft.prefix)
    await refuse_rivals(conn, scope, draft, prefix)
    await insert_subnet(conn, scope, draft, at)
    await store_ranges(conn, draft.id, ranges_of(draft))
    await take_in(conn, scope, draft.id, prefix)
    return await _required(conn, draft.id)


async def update_subnet(
    conn: Connection,
    subnet: UUID,
    changes: Mapping[str, Any],
    at: datetime,
    *,
    whoever_holds: bool = False,
) -> Change:
    """Set the fields of `changes` (named and typed as in `SubnetFacts`); what it does not name stays.

    Ranges that were the default ones follow a changed gateway or prefix; empty ranges ask for the default
    ones. Another prefix must contain the old one, or be contained in it with all that is in use (but for
    `whoever_holds`); make it the transaction's first call here. Raises `LedgerRefusal` subnet_unknown,
    field_fixed, name_taken, prefix_elsewhere, subnet_overlaps, subnet_in_use, or a mistake's code.
    """
    require_transaction(conn)
    unknown = sorted(set(changes) - CHANGEABLE)
    if unknown:
        raise LedgerRefusal(
            f"a subnet's {unknown[0]} can't be changed",
            code="field_fixed",
            field=unknown[0],
            hint="create another subnet and delete this one",
        )
    before = await _required(conn, subnet)
    if changes.get("prefix", before.prefix) not in (before.prefix, str(before.prefix)):
        await lock_scope_for_subnets(conn, before.scope_id)
    await lock_subnets(conn, [subnet])
    before = await _required(conn, subnet)
    old = before.facts()
    draft = SubnetFacts.model_validate({**dict(old), **changes})
    if "ranges" not in changes and list(before.ranges) == default_ranges(before.prefix, before.gateway):
        draft = draft.model_copy(update={"ranges": ()})
    if draft.prefix != old.prefix:
        _refuse_elsewhere(before, draft)
        [after] = await reshape(conn, [before], [draft], at, whoever_holds=whoever_holds)
        return Change(before, after)
    refuse_mistakes(draft)
    if draft.name != old.name:
        await refuse_same_name(conn, before.scope_id, draft)
    ranges = ranges_of(draft)
    await store_changes(conn, draft, at)
    if ranges != list(before.ranges) or draft.gateway != old.gateway:
        await store_ranges(conn, subnet, ranges)
        await conn.execute("SELECT ipam.rebuild_free($1)", subnet)
    if draft.default_wire != old.default_wire:
        await conn.execute(
            "DELETE FROM ipam.subnet_wire WHERE subnet_id = $1 AND wire_id = $2", subnet, draft.default_wire
        )
    return Change(before, await _required(conn, subnet))


async def delete_subnet(conn: Connection, subnet: UUID, *, whoever_holds: bool = False) -> Subnet:
    """Delete a subnet that nobody uses, and return what it was. With `whoever_holds`, also one in use.

    Who holds addresses in it stays in the ledger, in no subnet; what cools down is forgotten. Raises
    `LedgerRefusal` subnet_unknown, or subnet_in_use with the first holders in `details["holders"]`. Nobody
    else writes addresses of the scope until the transaction ends.
    """
    require_transaction(conn)
    known = await _required(conn, subnet)
    await lock_scope_for_subnets(conn, known.scope_id)
    await lock_subnets(conn, [subnet])
    known = await _required(conn, subnet)
    if not whoever_holds:
        await _refuse_holders(conn, known)
    await conn.execute("DELETE FROM ipam.address WHERE subnet_id = $1 AND holder_kind = 'cooling'", subnet)
    await conn.execute("UPDATE ipam.address SET subnet_id = NULL WHERE subnet_id = $1", subnet)
    await conn.execute("DELETE FROM ipam.subnet WHERE id = $1", subnet)
    return known


def _refuse_elsewhere(before: Subnet, draft: SubnetFacts) -> None:
    prefix, old = parse_prefix(draft.prefix), before.prefix
    if prefix.version != old.version or not prefix.overlaps(old):
        raise LedgerRefusal(
            f"subnet {before.name!r} is {old}; it can grow or shrink, but {prefix} is another network",
            code="prefix_elsewhere",
            field="prefix",
            hint="create another subnet for it",
        )


async def _refuse_holders(conn: Connection, subnet: Subnet) -> None:
    rows = await conn.fetch(
        """
        SELECT address, holder_kind, holder_id, count(*) OVER () AS total FROM ipam.address
        WHERE subnet_id = $1 AND holder_kind IN ('nic', 'reservation', 'reserved')
        ORDER BY address LIMIT $2
        """,
        subnet.id,
        HOLDERS_NAMED,
    )
    if rows:
        holders = [
            {"address": str(r["address"]), "kind": r["holder_kind"], "id": str(r["holder_id"])} for r in rows
        ]
        raise LedgerRefusal(
            f"subnet {subnet.name!r} ({subnet.prefix}) has {rows[0]['total']} addresses in use, "
            f"the first is {rows[0]['address']} ({rows[0]['holder_kind']})",
            code="subnet_in_use",
            hint="release NIC records and reservations, and take back reserved addresses, then delete it",
            details={"holders": holders, "total": rows[0]["total"]},
        )


async def _required(conn: Connection, subnet: UUID) -> Subnet:
    known = await get(conn, subnet)
    if known is None:
        raise LedgerRefusal(f"there is no subnet {subnet}", code="subnet_unknown")
    return known

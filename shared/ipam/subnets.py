"""Subnets: made, changed and deleted by operators, looked up by everybody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.events.subnet import SubnetFacts
from shared.ipam.connection import Connection, require_transaction
from shared.ipam.domain import Interval, check_subnet, default_ranges, merge
from shared.ipam.errors import LedgerRefusal
from shared.ipam.locks import lock_subnets
from shared.ipam.scopes import ensure_scope, lock_scope_for_subnets
from shared.ipam.subnet_rows import (
    Subnet,
    find,
    get,
    list_subnets,
    subnets_containing,
    subnets_of_addresses,
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
from shared.model.addresses import IPAddress, IPNetwork, parse_address, parse_prefix

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

CHANGEABLE = frozenset(SubnetFacts.model_fields) - {"id", "scope", "prefix", "revision"}
"""Fields that `update_subnet` takes. A subnet with another scope or prefix is another subnet."""
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
    _refuse_mistakes(draft)
    scope = await ensure_scope(conn, draft.scope)
    await lock_scope_for_subnets(conn, scope)
    prefix = parse_prefix(draft.prefix)
    await _refuse_rivals(conn, scope, draft, prefix)
    await conn.execute(
        """
        INSERT INTO ipam.subnet (
            id, scope_id, name, prefix, gateway, dns, domain, ntp, mtu, vlan, routes, default_wire,
            auto_allocate, allocation_order, cooldown_seconds, labels, created_at, updated_at
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, $12,
                  $13, $14, $15, $16::text::jsonb, $17, $17)
        """,
        draft.id, scope, draft.name, prefix, draft.gateway, list(draft.dns), draft.domain, list(draft.ntp),
        draft.mtu, draft.vlan, _json([r.model_dump() for r in draft.routes]), draft.default_wire,
        draft.auto_allocate, draft.allocation_order, draft.cooldown_seconds, _json(draft.labels), at,
    )  # fmt: skip
    await _store_ranges(conn, draft.id, _ranges(draft, prefix))
    await conn.execute(
        """
        UPDATE ipam.address SET subnet_id = $1
        WHERE scope_id = $2 AND address >= $3::inet AND address <= $4::inet
        """,
        draft.id, scope, prefix.network_address, prefix.broadcast_address,
    )  # fmt: skip
    await conn.execute("SELECT ipam.rebuild_free($1)", draft.id)
    return await _required(conn, draft.id)


async def update_subnet(conn: Connection, subnet: UUID, changes: Mapping[str, Any], at: datetime) -> Change:
    """Set the fields of `changes` (named and typed as in `SubnetFacts`); what it does not name stays.

    Ranges that were the default ones follow a changed gateway; empty ranges ask for the default ones. Raises
    `LedgerRefusal` subnet_unknown, field_fixed, name_taken, or the code of the first mistake.
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
    await lock_subnets(conn, [subnet])
    before = await _required(conn, subnet)
    old = before.facts()
    draft = SubnetFacts.model_validate({**dict(old), **changes})
    if "ranges" not in changes and list(before.ranges) == default_ranges(before.prefix, before.gateway):
        draft = draft.model_copy(update={"ranges": ()})
    _refuse_mistakes(draft)
    if draft.name != old.name:
        await _refuse_same_name(conn, before.scope_id, draft)
    ranges = _ranges(draft, before.prefix)
    await _store_changes(conn, draft, at)
    if ranges != list(before.ranges) or draft.gateway != old.gateway:
        await _store_ranges(conn, subnet, ranges)
        await conn.execute("SELECT ipam.rebuild_free($1)", subnet)
    if draft.default_wire != old.default_wire:
        await conn.execute(
            "DELETE FROM ipam.subnet_wire WHERE subnet_id = $1 AND wire_id = $2", subnet, draft.default_wire
        )
    return Change(before, await _required(conn, subnet))


async def delete_subnet(conn: Connection, subnet: UUID, *, whoever_holds: bool = False) -> Subnet:
    """Delete a subnet that nobody uses, and return what it was. With `whoever_holds`, also one in use.

    Who holds addresses in it stays in the ledger, in no subnet; what cools down is forgotten. Raises `LedgerRefusal`
    subnet_unknown, or subnet_in_use with the first holders in `details["holders"]`. Nobody else writes
    addresses of the scope until the transaction ends.
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


def _refuse_mistakes(draft: SubnetFacts) -> None:
    mistakes = check_subnet(draft)
    if mistakes:
        raise LedgerRefusal(
            f"subnet {draft.name!r}: " + "; ".join(mistake.message for mistake in mistakes),
            code=mistakes[0].code,
            field=mistakes[0].field,
            details={
                "mistakes": [{"code": m.code, "field": m.field, "message": m.message} for m in mistakes]
            },
        )


async def _refuse_rivals(conn: Connection, scope: UUID, draft: SubnetFacts, prefix: IPNetwork) -> None:
    await _refuse_same_name(conn, scope, draft)
    rival = await conn.fetchrow(
        """
        SELECT id, name, prefix FROM ipam.subnet
        WHERE scope_id = $1 AND prefix && $2::inet ORDER BY prefix LIMIT 1
        """,
        scope,
        prefix,
    )
    if rival is not None:
        raise LedgerRefusal(
            f"{prefix} overlaps {rival['prefix']} of subnet {rival['name']!r} in scope {draft.scope!r}",
            code="subnet_overlaps",
            field="prefix",
            hint="choose another prefix, or another scope if both networks truly exist side by side",
            details={"subnet": str(rival["id"]), "name": rival["name"], "prefix": str(rival["prefix"])},
        )


async def _refuse_same_name(conn: Connection, scope: UUID, draft: SubnetFacts) -> None:
    rival = await conn.fetchrow(
        "SELECT id, prefix FROM ipam.subnet WHERE scope_id = $1 AND name = $2 AND id <> $3",
        scope, draft.name, draft.id,
    )  # fmt: skip
    if rival is not None:
        raise LedgerRefusal(
            f"scope {draft.scope!r} has a subnet {draft.name!r} already, with prefix {rival['prefix']}",
            code="name_taken",
            field="name",
            details={"subnet": str(rival["id"]), "prefix": str(rival["prefix"])},
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


async def _store_ranges(conn: Connection, subnet: UUID, ranges: Sequence[Interval]) -> None:
    await conn.execute("DELETE FROM ipam.subnet_range WHERE subnet_id = $1", subnet)
    ends = [interval.addresses() for interval in ranges]
    await conn.execute(
        "INSERT INTO ipam.subnet_range (subnet_id, first, last) "
        "SELECT $1, r.first, r.last FROM unnest($2::inet[], $3::inet[]) AS r (first, last)",
        subnet, [first for first, _ in ends], [last for _, last in ends],
    )  # fmt: skip


async def _store_changes(conn: Connection, draft: SubnetFacts, at: datetime) -> None:
    await conn.execute(
        """
        UPDATE ipam.subnet SET
            name = $2, gateway = $3, dns = $4, domain = $5, ntp = $6, mtu = $7, vlan = $8,
            routes = $9::text::jsonb, default_wire = $10, auto_allocate = $11, allocation_order = $12,
            cooldown_seconds = $13, labels = $14::text::jsonb, updated_at = $15, revision = revision + 1
        WHERE id = $1
        """,
        draft.id, draft.name, draft.gateway, list(draft.dns), draft.domain, list(draft.ntp), draft.mtu,
        draft.vlan, _json([r.model_dump() for r in draft.routes]), draft.default_wire, draft.auto_allocate,
        draft.allocation_order, draft.cooldown_seconds, _json(draft.labels), at,
    )  # fmt: skip


def _ranges(draft: SubnetFacts, prefix: IPNetwork) -> list[Interval]:
    if not draft.ranges:
        return default_ranges(prefix, _address(draft.gateway))
    return merge(Interval.between(parse_address(r.first), parse_address(r.last)) for r in draft.ranges)


def _address(text: str | None) -> IPAddress | None:
    return None if text is None else parse_address(text)


async def _required(conn: Connection, subnet: UUID) -> Subnet:
    known = await get(conn, subnet)
    if known is None:
        raise LedgerRefusal(f"there is no subnet {subnet}", code="subnet_unknown")
    return known


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)

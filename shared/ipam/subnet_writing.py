"""Rows of subnets: judged against the others of their scope, written, and their addresses taken in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from shared.events.subnet import SubnetFacts
from shared.ipam.connection import Connection
from shared.ipam.domain import Interval, check_subnet, default_ranges, merge
from shared.ipam.errors import LedgerRefusal
from shared.model.addresses import IPAddress, IPNetwork, parse_address, parse_prefix


def refuse_mistakes(draft: SubnetFacts) -> None:
    """Raise `LedgerRefusal` with all that is wrong with `draft` by itself, the code being the first one's."""
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


async def refuse_rivals(
    conn: Connection, scope: UUID, draft: SubnetFacts, prefix: IPNetwork, *, but: Iterable[UUID] = ()
) -> None:
    """Raise `LedgerRefusal` name_taken or subnet_overlaps, naming the rival; those of `but` are none."""
    await refuse_same_name(conn, scope, draft, but=but)
    rival = await conn.fetchrow(
        """
        SELECT id, name, prefix FROM ipam.subnet
        WHERE scope_id = $1 AND prefix && $2::inet AND id <> ALL ($3::uuid[]) ORDER BY prefix LIMIT 1
        """,
        *(scope, prefix, list(but)),
    )
    if rival is not None:
        raise LedgerRefusal(
            f"{prefix} overlaps {rival['prefix']} of subnet {rival['name']!r} in scope {draft.scope!r}",
            code="subnet_overlaps",
            field="prefix",
            hint="choose another prefix, or another scope if both networks truly exist side by side",
            details={"subnet": str(rival["id"]), "name": rival["name"], "prefix": str(rival["prefix"])},
        )


async def refuse_same_name(
    conn: Connection, scope: UUID, draft: SubnetFacts, *, but: Iterable[UUID] = ()
) -> None:
    """Raise `LedgerRefusal` name_taken when another subnet of the scope has the draft's name."""
    rival = await conn.fetchrow(
        "SELECT id, prefix FROM ipam.subnet WHERE scope_id = $1 AND name = $2 AND id <> ALL ($3::uuid[])",
        *(scope, draft.name, [draft.id, *but]),
    )
    if rival is not None:
        raise LedgerRefusal(
            f"scope {draft.scope!r} has a subnet {draft.name!r} already, with prefix {rival['prefix']}",
            code="name_taken",
            field="name",
            details={"subnet": str(rival["id"]), "prefix": str(rival["prefix"])},
        )


async def insert_subnet(conn: Connection, scope: UUID, draft: SubnetFacts, at: datetime) -> None:
    """A new subnet's row, revision 1."""
    await conn.execute(
        """
        INSERT INTO ipam.subnet (
            id, scope_id, name, prefix, gateway, dns, domain, ntp, mtu, vlan, routes, default_wire,
            auto_allocate, allocation_order, cooldown_seconds, labels, created_at, updated_at
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, $12,
                  $13, $14, $15, $16::text::jsonb, $17, $17)
        """,
        draft.id, scope, draft.name, parse_prefix(draft.prefix), draft.gateway, list(draft.dns), draft.domain,
        list(draft.ntp), draft.mtu, draft.vlan, _json([r.model_dump() for r in draft.routes]),
        draft.default_wire, draft.auto_allocate, draft.allocation_order, draft.cooldown_seconds,
        _json(draft.labels), at,
    )  # fmt: skip


async def store_changes(conn: Connection, draft: SubnetFacts, at: datetime) -> None:
    """A known subnet's row as `draft` has it; its revision grows by one."""
    await conn.execute(
        """
        UPDATE ipam.subnet SET
            name = $2, gateway = $3, dns = $4, domain = $5, ntp = $6, mtu = $7, vlan = $8,
            routes = $9::text::jsonb, default_wire = $10, auto_allocate = $11, allocation_order = $12,
            cooldown_seconds = $13, labels = $14::text::jsonb, updated_at = $15, revision = revision + 1,
            prefix = $16
        WHERE id = $1
        """,
        draft.id, draft.name, draft.gateway, list(draft.dns), draft.domain, list(draft.ntp), draft.mtu,
        draft.vlan, _json([r.model_dump() for r in draft.routes]), draft.default_wire, draft.auto_allocate,
        draft.allocation_order, draft.cooldown_seconds, _json(draft.labels), at, parse_prefix(draft.prefix),
    )  # fmt: skip


async def store_ranges(conn: Connection, subnet: UUID, ranges: Sequence[Interval]) -> None:
    """What of the subnet may be allocated, instead of what was so before."""
    await conn.execute("DELETE FROM ipam.subnet_range WHERE subnet_id = $1", subnet)
    ends = [interval.addresses() for interval in ranges]
    await conn.execute(
        "INSERT INTO ipam.subnet_range (subnet_id, first, last) "
        "SELECT $1, r.first, r.last FROM unnest($2::inet[], $3::inet[]) AS r (first, last)",
        subnet, [first for first, _ in ends], [last for _, last in ends],
    )  # fmt: skip


async def take_in(conn: Connection, scope: UUID, subnet: UUID, prefix: IPNetwork) -> None:
    """Make all addresses of `prefix` that the ledger holds the subnet's, and work its free ones out anew."""
    await conn.execute(
        """
        UPDATE ipam.address SET subnet_id = $1
        WHERE scope_id = $2 AND address >= $3::inet AND address <= $4::inet
        """,
        subnet, scope, prefix.network_address, prefix.broadcast_address,
    )  # fmt: skip
    await conn.execute("SELECT ipam.rebuild_free($1)", subnet)


def ranges_of(draft: SubnetFacts) -> list[Interval]:
    """The ranges of `draft`, in order and merged; none stated means all that can be allocated."""
    if not draft.ranges:
        gateway: IPAddress | None = None if draft.gateway is None else parse_address(draft.gateway)
        return default_ranges(parse_prefix(draft.prefix), gateway)
    return merge(Interval.between(parse_address(r.first), parse_address(r.last)) for r in draft.ranges)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)

"""From which wires a subnet is used: its default one, those detected or pinned, and those denied."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from shared.ipam.connection import Connection, require_transaction
from shared.ipam.errors import LedgerRefusal
from shared.ipam.subnet_rows import COLUMNS, FROM, Subnet, subnet_from

AdditionalRole = Literal["detected", "pinned", "denied"]
WireRole = Literal["default", "detected", "pinned", "denied"]


class RoleChange(NamedTuple):
    """The role of a wire for a subnet before and after a call. Equal when it changed nothing."""

    before: AdditionalRole | None
    after: AdditionalRole | None


async def subnets_on_wires(
    conn: Connection, wires: Iterable[UUID]
) -> dict[UUID, list[tuple[Subnet, WireRole]]]:
    """The subnets of each wire, default ones first, then by prefix. Every wire asked for has its entry."""
    asked = list(dict.fromkeys(wires))
    rows = await conn.fetch(
        f"""
        SELECT u.wire AS wire, u.role AS role, {COLUMNS} {FROM}
        JOIN (
            SELECT id AS subnet, default_wire AS wire, 'default' AS role
            FROM ipam.subnet WHERE default_wire = ANY ($1::uuid[])
            UNION ALL
            SELECT subnet_id, wire_id, role FROM ipam.subnet_wire WHERE wire_id = ANY ($1::uuid[])
        ) u ON u.subnet = s.id
        ORDER BY u.role <> 'default', s.prefix, s.id
        """,  # noqa: S608  only constants of ours are put in
        asked,
    )
    found: dict[UUID, list[tuple[Subnet, WireRole]]] = {wire: [] for wire in asked}
    for row in rows:
        values = dict(row)
        wire, role = values.pop("wire"), values.pop("role")
        found[wire].append((subnet_from(values), role))
    return found


async def wires_of_subnets(
    conn: Connection, subnets: Iterable[UUID]
) -> dict[UUID, list[tuple[UUID, WireRole]]]:
    """The wires of each subnet, the default one first. Subnets that are not there have no entry."""
    rows = await conn.fetch(
        """
        SELECT id AS subnet, default_wire AS wire, 'default' AS role FROM ipam.subnet
        WHERE id = ANY ($1::uuid[])
        UNION ALL
        SELECT subnet_id, wire_id, role FROM ipam.subnet_wire WHERE subnet_id = ANY ($1::uuid[])
        ORDER BY role, wire
        """,
        list(subnets),
    )
    found: dict[UUID, list[tuple[UUID, WireRole]]] = {}
    for row in sorted(rows, key=lambda row: row["role"] != "default"):
        found.setdefault(row["subnet"], []).append((row["wire"], row["role"]))
    return found


async def set_wire(
    conn: Connection,
    subnet: UUID,
    wire: UUID,
    role: AdditionalRole | None,
    at: datetime,
    *,
    observed: bool = False,
    by: str | None = None,
) -> RoleChange:
    """Give `wire` a role for `subnet`, or take it away (None). `by` is the operator who says so.

    `observed` says that evidence asks for it and no operator: then, and always for "detected", what an
    operator pinned or denied stays (G5). Raises `LedgerRefusal` subnet_unknown, or wire_is_default, since
    the wire a subnet was created on needs no role and can't be denied.
    """
    require_transaction(conn)
    default = await conn.fetchval(
        "SELECT default_wire FROM ipam.subnet WHERE id = $1 FOR NO KEY UPDATE", subnet
    )
    if default is None:
        raise LedgerRefusal(f"there is no subnet {subnet}", code="subnet_unknown")
    if default == wire:
        if observed or role == "detected":
            return RoleChange(None, None)
        raise LedgerRefusal(
            f"wire {wire} is the subnet's default wire, which is always in use",
            code="wire_is_default",
            hint="delete the subnet, or give it another default wire first",
        )
    before = await conn.fetchval(
        "SELECT role FROM ipam.subnet_wire WHERE subnet_id = $1 AND wire_id = $2", subnet, wire
    )
    if before == role or (before in ("pinned", "denied") and (observed or role == "detected")):
        return RoleChange(before, before)
    if role is None:
        await conn.execute("DELETE FROM ipam.subnet_wire WHERE subnet_id = $1 AND wire_id = $2", subnet, wire)
    else:
        await conn.execute(
            """
            INSERT INTO ipam.subnet_wire (subnet_id, wire_id, role, since, by) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (subnet_id, wire_id) DO UPDATE
            SET role = excluded.role, since = excluded.since, by = excluded.by
            """,
            subnet, wire, role, at, by,
        )  # fmt: skip
    return RoleChange(before, role)

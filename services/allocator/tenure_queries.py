"""Who had which address when: seen by Tools, stated by an operator, or brought by a confirmed reservation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.reports import UNPLACED
from services.allocator.finding import find_vm
from shared.ipam.errors import LedgerRefusal
from shared.model.identifiers import nic_id
from shared.store.pool import Connection, Pool

How = Literal["seen", "stated", "reserved"]


@dataclass(frozen=True, slots=True)
class Had:
    """A device had an address from `since` to `until` (None: still). `device_key` None: Tools told none."""

    address: str
    scope: str
    how: How
    since: datetime
    until: datetime | None
    vcenter: UUID
    vcenter_name: str
    vm: UUID | None
    vm_name: str
    vm_moid: str
    device_key: int | None
    nic: UUID | None
    mac: str | None
    wire: UUID | None
    wire_name: str | None
    by: str | None = None


async def who_had(
    pool: Pool, address: str, *, at: datetime | None = None, scope: str | None = None, limit: int = 1000
) -> list[Had]:
    """All who had `address` at `at`, or ever, the newest first; at most `limit` seen and as many stated.

    Raises `LedgerRefusal` scope_unknown.
    """
    async with pool.acquire() as conn:
        in_scope = None if scope is None else await _scope(conn, scope)
        seen = await conn.fetch(_SEEN, address, at, in_scope, limit)
        stated = await conn.fetch(_STATED_ADDRESS, address, in_scope)
    return _answer(seen, stated, at, limit)


async def nic_history(pool: Pool, vm: str, *, at: datetime | None = None, limit: int = 1000) -> list[Had]:
    """All addresses that the devices of a VM had at `at`, or ever, the newest first.

    Raises `PermanentError` vm_unknown, vm_ambiguous.
    """
    async with pool.acquire() as conn:
        identity = await find_vm(conn, vm)
        seen = await conn.fetch(_SEEN_ON_VM, identity, at, limit)
        stated = await conn.fetch(_STATED_VM, identity)
    return _answer(seen, stated, at, limit)


def _answer(seen: Iterable[Record], stated: Iterable[Record], at: datetime | None, limit: int) -> list[Had]:
    said = _joined([_had(row, row["how"]) for row in stated])
    rows = [_had(row, "seen") for row in seen]
    rows += [h for h in said if at is None or (h.since <= at and (h.until is None or h.until > at))]
    return sorted(rows, key=lambda h: (h.since, h.vm_name, h.device_key or 0, h.how), reverse=True)[:limit]


def _joined(stated: list[Had]) -> list[Had]:
    """Statements that follow each other without a break, as one."""
    whole: list[Had] = []
    for had in sorted(stated, key=lambda h: (str(h.nic), h.how, h.address, h.since)):
        last = whole[-1] if whole else None
        if last and (last.nic, last.how, last.address, last.until) == (
            had.nic,
            had.how,
            had.address,
            had.since,
        ):
            whole[-1] = replace(last, until=had.until)
        else:
            whole.append(had)
    return whole


def _had(row: Record, how: How) -> Had:
    values: dict[str, Any] = dict(row)
    key, vm = values["device_key"], values["vm_id"]
    placed = key != UNPLACED
    return Had(
        address=values["address"],
        scope=values["scope"],
        how=how,
        since=values["since"],
        until=values["until"],
        vcenter=values["vcenter_id"],
        vcenter_name=values["vcenter_name"],
        vm=vm,
        vm_name=values["vm_name"],
        vm_moid=values["moid"],
        device_key=key if placed else None,
        nic=nic_id(vm, key) if placed and vm is not None else None,
        mac=values["mac"],
        wire=values["wire_id"],
        wire_name=values["wire_name"],
        by=values.get("by"),
    )


async def _scope(conn: Connection, name: str) -> UUID:
    found: UUID | None = await conn.fetchval("SELECT id FROM ipam.scope WHERE name = $1", name)
    if found is None:
        names = [r[0] for r in await conn.fetch("SELECT name FROM ipam.scope ORDER BY name")]
        raise LedgerRefusal(
            f"there is no scope {name!r}; there are {', '.join(map(repr, names))}", code="scope_unknown"
        )
    return found


_PERIOD = """
    SELECT host(t.address) AS address, coalesce(s.name, 'default') AS scope, t.opened_at AS since,
           t.ended_at AS until, t.vcenter_id, coalesce(c.name, t.vcenter_id::text) AS vcenter_name,
           v.vm_id, coalesce(v.name, t.moid) AS vm_name, t.moid, t.device_key,
           coalesce(t.mac, p.mac) AS mac,
           nullif(t.wire_id, '00000000-0000-0000-0000-000000000000') AS wire_id,
           coalesce(w.name, w.moid) AS wire_name
    FROM {found} t
    LEFT JOIN inventory.vm v ON v.vcenter_id = t.vcenter_id AND v.moid = t.moid
    LEFT JOIN inventory.vcenter c ON c.id = t.vcenter_id
    LEFT JOIN ipam.scope s ON s.id = c.scope_id OR c.scope_id IS NULL AND s.name = 'default'
    LEFT JOIN inventory.wire w ON w.id = t.wire_id
    LEFT JOIN inventory.port p ON t.ended_at IS NULL AND p.vm_id = v.vm_id AND p.device_key = t.device_key
    WHERE {wanted}
"""

# The LIMIT within keeps the plan at the index, whatever the table looked like when it was made.
_SEEN = _PERIOD.format(
    found="""(
        SELECT x.* FROM inventory.tenure x
        WHERE x.address = $1::inet
          AND ($2::timestamptz IS NULL
               OR x.opened_at <= $2 AND (x.ended_at IS NULL OR x.ended_at > $2))
        ORDER BY x.opened_at DESC LIMIT $4
    )""",
    wanted="$3::uuid IS NULL OR s.id = $3",
)

_SEEN_ON_VM = _PERIOD.format(
    found="""(
        SELECT x.* FROM inventory.vm o JOIN inventory.tenure x USING (vcenter_id, moid)
        WHERE o.vm_id = $1
          AND ($2::timestamptz IS NULL
               OR x.opened_at <= $2 AND (x.ended_at IS NULL OR x.ended_at > $2))
        ORDER BY x.opened_at DESC LIMIT $3
    )""",
    wanted="true",
)

# A decision holds until the next one about the port; what was stated is void once the VM has gone.
_STATED = """
    WITH decided AS (
        SELECT f.*, lead(f.at) OVER (PARTITION BY f.port_id ORDER BY f.at, f.id) AS next
        FROM inventory.fix f WHERE f.port_id IN ({ports})
    ), said AS (
        SELECT 'stated' AS how, d.port_id, d.vm_id, d.device_key, u.address, u.scope, d.at, d.next, d.by
        FROM decided d CROSS JOIN LATERAL unnest(d.addresses, d.scopes) AS u (address, scope)
        UNION ALL
        SELECT 'reserved', r.port_id, r.vm_id, r.device_key, r.address, r.scope_id, r.at, r.ended_at, r.by
        FROM inventory.statement r WHERE r.source = 'reservation' AND {reserved}
    )
    SELECT t.how, host(t.address) AS address, coalesce(s.name, 'default') AS scope, t.at AS since,
           least(t.next, CASE WHEN v.gone_at >= t.at THEN v.gone_at END) AS until,
           v.vcenter_id, coalesce(c.name, v.vcenter_id::text) AS vcenter_name, t.vm_id,
           coalesce(v.name, v.moid) AS vm_name, v.moid, t.device_key, p.mac, p.wire_id,
           coalesce(w.name, w.moid) AS wire_name, t.by
    FROM said t
    CROSS JOIN LATERAL (
        SELECT * FROM inventory.vm x WHERE x.vm_id = t.vm_id
        ORDER BY x.removed, x.shadow, x.appeared_at DESC, x.vcenter_id DESC, x.moid DESC LIMIT 1
    ) v
    LEFT JOIN inventory.vcenter c ON c.id = v.vcenter_id
    LEFT JOIN ipam.scope s ON s.id = t.scope
    LEFT JOIN inventory.port p ON p.id = t.port_id
    LEFT JOIN inventory.wire w ON w.id = p.wire_id
    WHERE {wanted}
"""
_STATED_ADDRESS = _STATED.format(
    ports="SELECT port_id FROM inventory.fix WHERE addresses @> ARRAY[$1::inet]",
    reserved="r.address = $1::inet",
    wanted="t.address = $1::inet AND ($2::uuid IS NULL OR t.scope = $2)",
)
_STATED_VM = _STATED.format(
    ports="SELECT port_id FROM inventory.fix WHERE vm_id = $1", reserved="r.vm_id = $1", wanted="t.vm_id = $1"
)

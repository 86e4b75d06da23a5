"""Open conflicts for lists: both parties by name, the oldest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.conflict_rows import conflict_from
from services.allocator.finding import find_vm
from services.allocator.telling_conflicts import read_sides
from shared.events.address import Party
from shared.ipam.scopes import list_scopes
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """Two that claim the same: the holder has it. `what` is the address, MAC or instance UUID."""

    id: UUID
    kind: str
    what: str
    scope: str | None
    holder: Party
    claimant: Party
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class SharedRow:
    """An address that several may have, as an operator said."""

    scope: str
    address: str
    note: str | None
    by: str
    at: datetime
    vms: tuple[str, ...]
    """VMs that are seen with it."""


async def list_conflicts(
    pool: Pool,
    *,
    kinds: Collection[str] = (),
    vm: str | None = None,
    address: str | None = None,
    scope: str | None = None,
) -> list[ConflictRow]:
    """Open conflicts, the oldest first; of one kind, VM, address or scope, if given.

    Raises `PermanentError` when the VM is not known.
    """
    async with pool.acquire() as conn:
        identity = None if vm is None else await find_vm(conn, vm)
        rows = await conn.fetch(
            """
            SELECT c.*, host(c.address) AS text FROM inventory.conflict c
            WHERE (cardinality($1::text[]) = 0 OR c.kind = ANY ($1))
              AND ($2::inet IS NULL OR c.address = $2) ORDER BY c.opened_at, c.id
            """,
            list(kinds),
            address,
        )
        conflicts = list(map(conflict_from, rows))
        sides = await read_sides(conn, conflicts)
        scopes = await list_scopes(conn)
    found = [
        ConflictRow(
            id=c.id,
            kind=c.kind,
            what=str(c.address or c.mac or c.vm),
            scope=None if c.scope is None else scopes[c.scope],
            holder=sides[c.id, c.holder],
            claimant=sides[c.id, c.claimant],
            opened_at=c.opened_at,
        )
        for c in conflicts
    ]
    if identity is not None:
        found = [c for c in found if identity in (c.holder.vm, c.claimant.vm)]
    return [c for c in found if scope is None or c.scope == scope]


async def show_conflict(pool: Pool, named: str) -> ConflictRow:
    """The open conflict whose id begins with `named`, or the only one about that address or MAC.

    Raises `PermanentError` conflict_unknown, conflict_ambiguous.
    """
    rows = await list_conflicts(pool)
    wanted = named.strip().lower()
    exact = [r for r in rows if r.what.lower() == wanted]
    found = exact or [r for r in rows if str(r.id).startswith(wanted)]
    if not found:
        raise PermanentError(
            f"there is no open conflict {named!r}; those that ended are events in the log",
            code="conflict_unknown",
            hint="list the open ones with: patchbay conflict list",
        )
    if len(found) > 1:
        listed = ", ".join(f"{r.id} ({r.kind}, {r.what})" for r in found[:10])
        raise PermanentError(
            f"{len(found)} open conflicts are meant by {named!r}: {listed}", code="conflict_ambiguous",
            hint="name one by its id",
        )  # fmt: skip
    return found[0]


async def list_shared(pool: Pool) -> list[SharedRow]:
    """Addresses that operators declared shared, with the VMs that are seen with them."""
    rows = await pool.fetch(
        """
        SELECT s.name AS scope, host(a.address) AS address, a.note, a.by, a.at,
               ARRAY(SELECT DISTINCT coalesce(v.name, u.vm_moid) FROM inventory.unmatched u
                     LEFT JOIN inventory.vm v ON v.vcenter_id = u.vcenter_id AND v.moid = u.vm_moid
                     WHERE u.address = a.address AND u.scope_id = a.scope_id ORDER BY 1) AS vms
        FROM inventory.shared_address a JOIN ipam.scope s ON s.id = a.scope_id
        WHERE a.shared ORDER BY s.name, a.address
        """
    )
    return [SharedRow(**{**row, "vms": tuple(row["vms"])}) for row in rows]

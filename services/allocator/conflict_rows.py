"""Conflicts as rows: open ones alone, each under an id made of what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.allocator.docket import Docket
from services.allocator.domain.claims import Dispute
from services.allocator.domain.settlement import Ruling
from services.allocator.tables import CONFLICT
from shared.events.address import ConflictKind
from shared.ipam.domain import reserved_by
from shared.model.identifiers import derive
from shared.store.pool import Connection

PORTS = ("address", "fixed", "bound", "mac")
"""Kinds in which a port may be the holder."""


class Conflict(NamedTuple):
    """An open conflict: one of `address`, `mac` (in `scope`) and `vm` (instance UUID) is what both claim."""

    id: UUID
    kind: ConflictKind
    scope: UUID | None
    address: str | None
    mac: str | None
    vm: UUID | None
    holder: UUID
    claimant: UUID
    opened_at: datetime


@dataclass(slots=True)
class DisputeChanges:
    """Conflicts that opened, and those that ended with how they did."""

    opened: list[Conflict] = field(default_factory=list)
    resolved: list[tuple[Conflict, str]] = field(default_factory=list)


async def write_conflicts(conn: Connection, docket: Docket, ruling: Ruling) -> DisputeChanges:
    """Store the open conflicts about the addresses that were ruled on."""
    after = [_about_address(scope, address, dispute) for (scope, address), dispute in ruling.disputes]
    before = list(map(conflict_from, docket.conflicts.values()))
    return await write(conn, before, after, {c.id: _how_it_ended(docket, ruling, c) for c in before})


async def write(
    conn: Connection, before: Iterable[Conflict], after: Iterable[Conflict], ended: Mapping[UUID, str]
) -> DisputeChanges:
    """Store `after` in place of `before`; `ended` says for those that are no more how they ended.

    They are told in the order in which they began, whatever order the database has them in.
    """
    old, new = _by_id(before), _by_id(after)
    changes = DisputeChanges(
        [c for i, c in new.items() if i not in old],
        [(c, ended[i]) for i, c in old.items() if i not in new],
    )
    await CONFLICT.delete(conn, [(c.id,) for c, _ in changes.resolved])
    await CONFLICT.upsert(conn, [tuple(c) for i, c in new.items() if old.get(i) != c])
    return changes


def _by_id(conflicts: Iterable[Conflict]) -> dict[UUID, Conflict]:
    return {c.id: c for c in sorted(conflicts, key=lambda c: (c.opened_at, c.id))}


def conflict_from(row: Record) -> Conflict:
    """A row with its address as `text`."""
    values: dict[str, Any] = dict(row)
    return Conflict(
        values["id"], values["kind"], values["scope_id"], values["text"], values["mac"], values["vm_id"],
        values["holder_id"], values["claimant_id"], values["opened_at"],
    )  # fmt: skip


def about_duplicate(dispute: Dispute, *, scope: UUID | None, mac: str | None, vm: UUID | None) -> Conflict:
    """Two that have one MAC in a scope, or one instance UUID."""
    pair = sorted((dispute.holder, dispute.claimant))
    return Conflict(
        derive("conflict", dispute.kind, scope, mac, vm, *pair), dispute.kind, scope, None, mac, vm,
        dispute.holder, dispute.claimant, dispute.since,
    )  # fmt: skip


def _about_address(scope: UUID, address: str, dispute: Dispute) -> Conflict:
    # The same two, whoever of them holds the address for now.
    pair = sorted((dispute.holder, dispute.claimant))
    return Conflict(
        derive("conflict", dispute.kind, scope, address, *pair), dispute.kind, scope, address, None, None,
        dispute.holder, dispute.claimant, dispute.since,
    )  # fmt: skip


def _how_it_ended(docket: Docket, ruling: Ruling, conflict: Conflict) -> str:
    assert conflict.address is not None and conflict.scope is not None  # noqa: S101, PT018  so in a docket
    spot = (conflict.scope, conflict.address)
    if spot in docket.case.shared:
        return "the address was declared shared"

    def claims(port: UUID) -> bool:
        return conflict.address in ruling.outcomes.get(port, {})

    if conflict.kind in PORTS and conflict.holder != reserved_by(*spot).id:
        if claims(conflict.holder) and claims(conflict.claimant):
            return "who of the two it belongs to was decided"
        if claims(conflict.holder):
            return "the claimant gave the address up"
        if claims(conflict.claimant):
            return "the holder gave the address up"
        return "both gave the address up"
    if not claims(conflict.claimant):
        return "the claimant gave the address up"
    if conflict.kind == "bound" and spot in docket.case.reserved:
        return "the port that it is kept for has it now"
    return {
        "reservation": "the reservation was confirmed, or ended",
        "gateway": "the subnet has another gateway",
    }.get(conflict.kind, "the address is reserved no more")

"""Unmatched addresses and conflicts into rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.claims import Dispute, Parked, Recorded
from services.allocator.domain.settlement import Ruling, Spot
from services.allocator.reading import Docket
from services.allocator.tables import CONFLICT, UNMATCHED
from shared.model.identifiers import derive
from shared.store.pool import Connection


@dataclass(slots=True)
class VerdictChanges:
    """Addresses (port, text) that became unmatched or got another verdict, and those that are so no more."""

    parked: list[tuple[UUID, str, Parked]] = field(default_factory=list)
    matched: list[tuple[Record, bool]] = field(default_factory=list)
    """The row as it was, and whether the address is recorded now (else it is gone)."""


@dataclass(slots=True)
class DisputeChanges:
    """Conflicts that opened, and rows of those that ended with how they did."""

    opened: list[tuple[UUID, Spot, Dispute]] = field(default_factory=list)
    resolved: list[tuple[Record, str]] = field(default_factory=list)


async def write_unmatched(conn: Connection, docket: Docket, ruling: Ruling) -> VerdictChanges:
    """Store the verdicts on addresses without a record."""
    changes = VerdictChanges()
    rows: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    for port, outcomes in ruling.outcomes.items():
        for address, outcome in outcomes.items():
            if isinstance(outcome, Parked):
                rows[port, address] = row = _unmatched_row(docket, ruling, port, address, outcome)
                before = docket.unmatched.get((port, address))
                if before is None or (before["verdict"], before["subnets"]) != (row[8], row[9]):
                    changes.parked.append((port, address, outcome))
    stale = docket.unmatched.keys() - rows.keys()
    for port, address in sorted(stale):
        recorded = isinstance(ruling.outcomes.get(port, {}).get(address), Recorded)
        changes.matched.append((docket.unmatched[port, address], recorded))
    await UNMATCHED.delete(conn, stale)
    await UNMATCHED.upsert(conn, [r for key, r in rows.items() if _differs(docket.unmatched.get(key), r)])
    return changes


async def write_conflicts(conn: Connection, docket: Docket, ruling: Ruling) -> DisputeChanges:
    """Store the open conflicts."""
    changes = DisputeChanges()
    rows: dict[UUID, tuple[Any, ...]] = {}
    for (scope, address), dispute in ruling.disputes:
        # The same two, whoever of them holds the address for now.
        identity = derive("conflict", scope, address, *sorted((dispute.holder, dispute.claimant)))
        rows[identity] = (identity, scope, address, dispute.holder, dispute.claimant, dispute.since)
        if identity not in docket.conflicts:
            changes.opened.append((identity, (scope, address), dispute))
    for identity, row in docket.conflicts.items():
        if identity not in rows:
            changes.resolved.append((row, _how_it_ended(ruling, row)))
    await CONFLICT.delete(conn, [(row["id"],) for row, _ in changes.resolved])
    await CONFLICT.upsert(conn, [r for i, r in rows.items() if _conflict_differs(docket.conflicts.get(i), r)])
    return changes


def _unmatched_row(
    docket: Docket, ruling: Ruling, port: UUID, address: str, parked: Parked
) -> tuple[Any, ...]:
    person = docket.people[port]
    rival = parked.rival
    return (
        port, address, ruling.scopes[port, address], person.vcenter, person.vm, person.vm_moid,
        person.device_key, person.wire, parked.verdict, [s.id for s in parked.subnets],
        None if rival is None else rival.kind, None if rival is None else rival.id, parked.since,
    )  # fmt: skip


def _differs(before: Record | None, row: tuple[Any, ...]) -> bool:
    return before is None or (before["text"], *list(before.values())[2:-1]) != row[1:]


def _conflict_differs(before: Record | None, row: tuple[Any, ...]) -> bool:
    return before is None or (before["holder_port"], before["claimant_port"], before["opened_at"]) != row[3:]


def _how_it_ended(ruling: Ruling, row: Record) -> str:
    def claims(port: UUID) -> bool:
        return row["text"] in ruling.outcomes.get(port, {})

    if claims(row["holder_port"]):
        return "the claimant gave the address up"
    if claims(row["claimant_port"]):
        return "the holder gave the address up"
    return "both gave the address up"

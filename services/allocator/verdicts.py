"""Unmatched addresses into rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.docket import Docket
from services.allocator.domain.claims import Parked, Recorded
from services.allocator.domain.settlement import Ruling
from services.allocator.tables import UNMATCHED
from shared.store.pool import Connection


@dataclass(slots=True)
class VerdictChanges:
    """Addresses (port, text) that became unmatched or got another verdict, and those that are so no more."""

    parked: list[tuple[UUID, str, Parked]] = field(default_factory=list)
    matched: list[tuple[Record, bool]] = field(default_factory=list)
    """The row as it was, and whether the address is recorded now (else it is gone)."""


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

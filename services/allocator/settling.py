"""Settling: reads what bears on the dirty addresses, has it ruled on, writes and tells the difference."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.allocator.announcing import Announcements
from services.allocator.attaching import weigh_evidence
from services.allocator.batch import Dirty, Occasion
from services.allocator.conflict_rows import DisputeChanges, write_conflicts
from services.allocator.docket import Docket
from services.allocator.domain.evidence import Weight
from services.allocator.domain.records import Changes, assemble, compare
from services.allocator.domain.settlement import Ruling, rule
from services.allocator.duplicates import settle_duplicates
from services.allocator.ledger_sync import sync
from services.allocator.networks import NetworkMemory, Networks
from services.allocator.reading import expand, read
from services.allocator.record_rows import Records
from services.allocator.scopes import scopes_and_version
from services.allocator.telling import complete_names, tell_records, tell_unmatched
from services.allocator.telling_conflicts import tell_conflicts
from services.allocator.verdicts import VerdictChanges, write_unmatched
from services.allocator.writing import write_records
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection

CHUNK = 2000
"""Addresses settled together: a subnet made over a large network must not need memory for all at once."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What settling needs of the settings."""

    weight: Weight = Weight()  # noqa: RUF009  immutable
    prefer_living: bool = True
    grace: timedelta = timedelta(0)
    change: timedelta = timedelta(0)
    """How long another address must have been reported to count."""


async def settle(
    conn: Connection,
    dirty: Dirty,
    occasion: Occasion,
    out: Announcements,
    policy: Policy,
    *,
    memory: NetworkMemory | None = None,
) -> None:
    """Make records, verdicts, ledger and additional wires follow from what is known about `dirty`.

    `memory` is what was known of networks before, for transactions that have made all their changes to them.
    Raises ConflictError when placement was faster to an address.
    """
    if not dirty:
        return
    await tell_conflicts(conn, out, await settle_duplicates(conn, dirty), occasion)
    (scopes, version), default = await scopes_and_version(conn), scope_id(DEFAULT_SCOPE_NAME)
    networks, records = Networks() if memory is None else memory.at(version), Records()
    addresses, ports = await expand(conn, dirty, records, CHUNK)
    for verdict in await weigh_evidence(conn, dirty, scopes, default, networks, policy.weight):
        out.add(verdict.event, verdict.event.subnet, verdict.event.wire, cause=occasion.cause())
        addresses |= verdict.addresses
    ordered = sorted(addresses)
    # All dirty ports are looked at in the first round: one may have lost its name and kept its addresses.
    for start in range(0, max(len(ordered), 1), CHUNK):
        chunk = set(ordered[start : start + CHUNK])
        dirty_ports = ports if start == 0 else set()
        docket = await read(
            conn, chunk, dirty_ports, scopes, default, networks, records, policy.grace, change=policy.change
        )
        docket.former = dirty.former
        docket.case.prefer_living = policy.prefer_living
        await _settle(conn, docket, occasion, out, policy)
        records = Records()  # those of the chunk are others now


async def _settle(
    conn: Connection, docket: Docket, occasion: Occasion, out: Announcements, policy: Policy
) -> None:
    ruling = rule(docket.case)
    changes = _changes(docket, ruling)
    await complete_names(conn, docket, changes)
    # The database writes while the events are made: what they tell was ruled, and is asked of nobody.
    writing = asyncio.create_task(_write(conn, docket, ruling, changes, now=occasion.at()))
    try:
        await tell_records(out, docket, changes, occasion)
    finally:
        verdicts, disputes = await writing
    await tell_unmatched(conn, out, docket, verdicts, occasion, weight=policy.weight)
    await tell_conflicts(conn, out, disputes, occasion)


async def _write(
    conn: Connection, docket: Docket, ruling: Ruling, changes: Changes, *, now: datetime
) -> tuple[VerdictChanges, DisputeChanges]:
    await sync(conn, ruling.ledger, docket.case.ledger, now=now)
    await write_records(conn, changes)
    return await write_unmatched(conn, docket, ruling), await write_conflicts(conn, docket, ruling)


def _changes(docket: Docket, ruling: Ruling) -> Changes:
    changes = Changes()
    for port in sorted(docket.records.keys() | docket.ports.keys() | ruling.outcomes.keys()):
        before = docket.records.get(port)
        view = docket.ports.get(port)
        after = assemble(view, before, docket.case.addresses, ruling.outcomes.get(port, {}))
        vm_alive = before is None or before.port.vm in docket.alive
        compare(before, after, changes, vm_alive=vm_alive, port_alive=view is not None)
    return changes

"""Rows of the schema `placement`: answered requests and reservations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

from services.placement.domain.finding import Finding, in_order
from services.placement.domain.recognising import Expected, How, State
from services.placement.domain.world import HostKey
from shared.events.placement import NicCheck, PlacedNic, VmCreatePlaced, VmCreateRefused, VmCreateRequested
from shared.store.pool import Connection

Answer = VmCreatePlaced | VmCreateRefused
Verdict = Literal["verified", "drifted"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """One row: what is held for a VM to come, and what became of it."""

    id: UUID
    request_id: str
    state: State
    vcenter: UUID
    host: str
    name: str
    name_was_free: bool
    cpus: int
    memory_mb: int
    nics: tuple[PlacedNic, ...]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    note: str | None
    vm: UUID | None
    vm_moid: str | None
    recognised_by: How | None
    groups: tuple[str, ...] = ()
    token: int = 0
    previous_token: int | None = None
    verdict: Verdict | None = None
    """What Tools said of the addresses after the confirmation."""
    seen: tuple[NicCheck, ...] = ()
    """With the verdict: what was reserved and what Tools saw, by NIC."""

    def expected(self) -> Expected:
        """The part that VMs are recognised by."""
        return Expected(
            id=self.id,
            request_id=self.request_id,
            state=self.state,
            vcenter=self.vcenter,
            name=self.name,
            name_was_free=self.name_was_free,
            created_at=self.created_at,
            nics=self.nics,
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered, as it is kept."""

    request: VmCreateRequested
    fingerprint: str
    answer: Answer
    findings: tuple[Finding, ...]
    at: datetime
    batch: str | None = None


def reservation_from(row: Any) -> Reservation:
    """The reservation in a row of placement.reservation."""
    values = {name: row[name] for name in Reservation.__dataclass_fields__ if name in row}
    values |= {"vcenter": row["vcenter_id"], "vm": row["vm_id"]}
    values["nics"] = tuple(PlacedNic.model_validate(nic) for nic in row["nics"])
    values["groups"] = tuple(row["groups"])
    values["seen"] = tuple(NicCheck.model_validate(item) for item in row["seen"] or ())
    return Reservation(**values)


def answer_from(outcome: str, data: Any) -> Answer:
    """The stored answer as the event it was."""
    model = VmCreatePlaced if outcome == "placed" else VmCreateRefused
    return model.model_validate(data)


async def lock_requests(conn: Connection, request_ids: Sequence[str], groups: Collection[str] = ()) -> None:
    """Let nobody else answer these requests, or place members of these groups, until the transaction ends."""
    names = [f"placement.request/{request_id}" for request_id in request_ids]
    await _lock(conn, [*names, *(f"placement.group/{group}" for group in groups)])


async def lock_hosts(conn: Connection, hosts: Collection[HostKey], wires: Collection[UUID] = ()) -> None:
    """Let nobody else place on these hosts and wires until the transaction ends.

    After requests, before subnets. Only wires with few enough ports to fight for need it.
    """
    names = [f"placement.host/{host.vcenter}/{host.moid}" for host in hosts]
    await _lock(conn, [*names, *(f"placement.wire/{wire}" for wire in wires)])


async def next_tokens(conn: Connection, number: int) -> list[int]:
    """Fencing tokens that nobody had before, in growing order."""
    rows = await conn.fetch("SELECT nextval('placement.token') AS token FROM generate_series(1, $1)", number)
    return sorted(row["token"] for row in rows)


async def _lock(conn: Connection, names: Sequence[str]) -> None:
    keys = {
        int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True) for name in names
    }
    # One order for everybody, or two processes wait for each other.
    await conn.execute("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key", sorted(keys))


async def stored(conn: Connection, request_ids: Sequence[str]) -> dict[str, tuple[str, Answer, datetime]]:
    """Fingerprint, answer and time of those requests that were answered before."""
    rows = await conn.fetch(
        "SELECT request_id, fingerprint, outcome, answer, answered_at FROM placement.request"
        " WHERE request_id = ANY ($1::text[])",
        list(request_ids),
    )
    return {
        row["request_id"]: (
            row["fingerprint"],
            answer_from(row["outcome"], row["answer"]),
            row["answered_at"],
        )
        for row in rows
    }


async def save_answers(conn: Connection, answered: Sequence[Answered]) -> None:
    """Keep answers; with every ruling where the answer carries only some."""
    await conn.executemany(
        """
        INSERT INTO placement.request
            (request_id, fingerprint, body, outcome, answer, findings, answered_at, batch)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        [
            (
                item.request.request_id,
                item.fingerprint,
                item.request.model_dump(mode="json"),
                "placed" if isinstance(item.answer, VmCreatePlaced) else "refused",
                item.answer.model_dump(mode="json"),
                None if _carries_all(item) else [finding._asdict() for finding in in_order(item.findings)],
                item.at,
                item.batch,
            )
            for item in answered
        ],
    )


def _carries_all(item: Answered) -> bool:
    answer = item.answer
    published = answer.explanation if isinstance(answer, VmCreatePlaced) else answer.rulings
    return len(published) == len(item.findings)


async def save_reservations(conn: Connection, answered: Sequence[Answered]) -> None:
    """Keep the reservations of answers that place; their addresses are in the ledger already."""
    placed = [(item, item.answer) for item in answered if isinstance(item.answer, VmCreatePlaced)]
    if not placed:
        return
    await conn.executemany(
        """
        INSERT INTO placement.reservation (
            id, request_id, state, vcenter_id, host, name, name_was_free, cpus, memory_mb, nics,
            created_at, expires_at, token, groups)
        VALUES ($1, $2, 'held', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        [
            (
                answer.reservation,
                answer.request_id,
                answer.vcenter,
                answer.host,
                answer.name,
                answer.name_was_free,
                answer.cpus,
                answer.memory_mb,
                [nic.model_dump(mode="json") for nic in answer.nics],
                item.at,
                answer.expires_at,
                answer.token,
                list(answer.groups),
            )
            for item, answer in placed
        ],
    )
    rows = [
        (answer.reservation, nic.index, nic.wire.id, nic.mac) for _, answer in placed for nic in answer.nics
    ]
    await conn.execute(
        "INSERT INTO placement.reservation_nic (reservation_id, nic, wire_id, mac)"
        " SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::macaddr[])",
        *map(list, zip(*rows, strict=True)),
    )


async def names_in_use(conn: Connection, names: Sequence[str]) -> set[tuple[UUID, str]]:
    """Those of `names` that VMs have, each with their vCenter."""
    rows = await conn.fetch(
        "SELECT DISTINCT vcenter_id, name FROM inventory.vm WHERE name = ANY ($1::text[]) AND NOT removed",
        list(names),
    )
    return {(row["vcenter_id"], row["name"]) for row in rows}


async def macs_in_use(conn: Connection, macs: Sequence[str]) -> set[str]:
    """Those of `macs` that a VM's port has, or a reservation that is not over."""
    rows = await conn.fetch(
        """
        SELECT mac::text AS mac FROM inventory.port WHERE mac = ANY ($1::macaddr[])
        UNION SELECT mac::text FROM placement.reservation_nic WHERE live AND mac = ANY ($1::macaddr[])
        """,
        list(macs),
    )
    return {row["mac"] for row in rows}


async def lock_reservation(conn: Connection, identity: UUID) -> Reservation | None:
    """The reservation, locked until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM placement.reservation WHERE id = $1 FOR UPDATE", identity)
    return None if row is None else reservation_from(row)


async def lock_due(conn: Connection, now: datetime, limit: int) -> list[Reservation]:
    """Held reservations whose time is over and that nobody else is busy with, locked."""
    rows = await conn.fetch(
        "SELECT * FROM placement.reservation WHERE state = 'held' AND expires_at <= $1"
        " ORDER BY expires_at, id LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    return [reservation_from(row) for row in rows]


async def lock_matching(
    conn: Connection, ids: Sequence[UUID], macs: Sequence[str], names: Sequence[str]
) -> list[Reservation]:
    """Reservations that VMs with these ids, MACs or names may be the answer to, locked; mostly none."""
    rows = await conn.fetch(
        """
        SELECT * FROM placement.reservation
        WHERE state IN ('held', 'expired') AND id IN (
            SELECT id FROM placement.reservation WHERE id = ANY ($1::uuid[])
            UNION SELECT reservation_id FROM placement.reservation_nic WHERE mac = ANY ($2::macaddr[])
            UNION SELECT id FROM placement.reservation WHERE state = 'held' AND name = ANY ($3::text[])
        )
        ORDER BY id FOR UPDATE
        """,
        list(ids),
        list(macs),
        list(names),
    )
    return [reservation_from(row) for row in rows]

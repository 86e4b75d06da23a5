"""What people ask about requests and reservations. Reads only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.placement.domain.recognising import State
from services.placement.reservations import Answer, Reservation, answer_from, reservation_from
from shared.events.placement import Ruling, VmCreatePlaced, VmCreateRequested
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool


@dataclass(frozen=True, slots=True)
class PlacementRow:
    """One request in a list. Host, addresses and state are None or empty for a refused one."""

    request_id: str
    name: str
    outcome: Literal["placed", "refused"]
    answered_at: datetime
    reason: str | None
    """Of a refusal."""
    vcenter: UUID | None
    host_name: str | None
    addresses: tuple[str, ...]
    reservation: UUID | None
    state: State | None
    expires_at: datetime | None
    vm_moid: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A request with its answer, all rulings of the decision, and what became of its reservation."""

    request: VmCreateRequested
    answer: Answer
    rulings: tuple[Ruling, ...]
    answered_at: datetime
    reservation: Reservation | None


async def list_placements(
    pool: Pool, *, outcome: Literal["placed", "refused"] | None = None, limit: int = 100
) -> list[PlacementRow]:
    """Answered requests, newest first."""
    rows = await pool.fetch(
        """
        SELECT q.request_id, q.body->>'name' AS name, q.outcome, q.answered_at, q.answer, r.id AS reservation,
               r.state, r.expires_at, r.vm_moid
        FROM placement.request q LEFT JOIN placement.reservation r USING (request_id)
        WHERE $1::text IS NULL OR q.outcome = $1
        ORDER BY q.answered_at DESC, q.request_id LIMIT $2
        """,
        outcome,
        limit,
    )
    found: list[PlacementRow] = []
    for row in rows:
        answer = answer_from(row["outcome"], row["answer"])
        placed = answer if isinstance(answer, VmCreatePlaced) else None
        found.append(
            PlacementRow(
                request_id=row["request_id"],
                name=row["name"],
                outcome=row["outcome"],
                answered_at=row["answered_at"],
                reason=None if isinstance(answer, VmCreatePlaced) else answer.reason,
                vcenter=placed.vcenter if placed else None,
                host_name=placed.host_name if placed else None,
                addresses=_addresses(placed),
                reservation=row["reservation"],
                state=row["state"],
                expires_at=row["expires_at"],
                vm_moid=row["vm_moid"],
            )
        )
    return found


def _addresses(placed: VmCreatePlaced | None) -> tuple[str, ...]:
    nics = placed.nics if placed else ()
    return tuple(item.address for nic in nics for item in nic.addresses)


async def list_reservations(
    pool: Pool, *, states: Sequence[State] | None = None, limit: int = 100
) -> list[Reservation]:
    """Reservations, newest first; all, or those in one of `states`."""
    rows = await pool.fetch(
        "SELECT * FROM placement.reservation WHERE $1::text[] IS NULL OR state = ANY ($1)"
        " ORDER BY created_at DESC, id LIMIT $2",
        None if states is None else list(states),
        limit,
    )
    return [reservation_from(row) for row in rows]


async def find_reservation(pool: Pool, text: str) -> Reservation | None:
    """The reservation of this id (or its beginning, from 6 characters on), request id or VM name.

    Of several with one name the one still held is meant, else the newest. Raises PermanentError with code
    reservation_ambiguous when several are held.
    """
    rows = await pool.fetch(
        """
        SELECT *, (request_id = $1 OR id::text = lower($1)) AS exact FROM placement.reservation
        WHERE request_id = $1 OR name = $1 OR (length($1) >= 6 AND starts_with(id::text, lower($1)))
        ORDER BY exact DESC, state = 'held' DESC, created_at DESC, id LIMIT 20
        """,
        text,
    )
    if not rows:
        return None
    rivals = [row for row in rows if row["state"] == "held"]
    if len(rivals) > 1 and not rows[0]["exact"]:
        ids = ", ".join(f"{row['id']} ({row['name']})" for row in rivals)
        raise PermanentError(
            f"{len(rivals)} held reservations answer to {text!r}: {ids}",
            code="reservation_ambiguous",
            hint="name one by its id",
        )
    return reservation_from(rows[0])


async def explain(pool: Pool, text: str) -> Explained | None:
    """A request by its id, its reservation's id or the VM's name: answer and every ruling behind it."""
    row = await pool.fetchrow(
        """
        SELECT q.* FROM placement.request q LEFT JOIN placement.reservation r USING (request_id)
        WHERE q.request_id = $1 OR r.id::text = lower($1) OR q.body->>'name' = $1
        ORDER BY q.request_id = $1 DESC, q.answered_at DESC LIMIT 1
        """,
        text,
    )
    if row is None:
        return None
    reservation = await pool.fetchrow(
        "SELECT * FROM placement.reservation WHERE request_id = $1", row["request_id"]
    )
    answer = answer_from(row["outcome"], row["answer"])
    published = answer.explanation if isinstance(answer, VmCreatePlaced) else answer.rulings
    kept = row["findings"]
    return Explained(
        request=VmCreateRequested.model_validate(row["body"]),
        answer=answer,
        rulings=published if kept is None else tuple(Ruling.model_validate(ruling) for ruling in kept),
        answered_at=row["answered_at"],
        reservation=None if reservation is None else reservation_from(reservation),
    )

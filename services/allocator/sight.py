"""How much of each vCenter is known: whether it is in sight, and how old what is known of it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from shared.store.pool import Pool

STALE = timedelta(minutes=1)
"""A collector that is well says a word every few seconds; after a minute without one, something is wrong."""

Seen = Literal["current", "stale", "lost", "never"]


@dataclass(frozen=True, slots=True)
class Sight:
    """A vCenter: `current_to` when all it had said was known last, None before it was read to the end."""

    vcenter: UUID
    name: str
    seen: Seen
    """"stale": nobody lost it, but nothing is heard; "never": it was not read to the end yet."""
    current_to: datetime | None
    age_seconds: float | None
    detail: str | None
    """What it was lost by."""


async def read_sights(pool: Pool, now: datetime | None = None) -> list[Sight]:
    """All vCenters of which anything was heard, by name."""
    moment = now or datetime.now(UTC)
    rows = await pool.fetch(
        "SELECT id, name, state, detail, nullif(current_to, 'epoch') AS current_to FROM inventory.vcenter"
        " ORDER BY name, id"
    )
    return [
        sight(row["id"], row["name"], row["state"], row["detail"], current_to=row["current_to"], now=moment)
        for row in rows
    ]


def sight(
    vcenter: UUID, name: str, state: str, detail: str | None, *, current_to: datetime | None, now: datetime
) -> Sight:
    """What the state of a vCenter, "connected" or "lost", and the time it was known at mean at `now`."""
    age = None if current_to is None else max((now - current_to).total_seconds(), 0.0)
    seen: Seen = "current"
    if state == "lost":
        seen = "lost"
    elif age is None:
        seen = "never"
    elif age > STALE.total_seconds():
        seen = "stale"
    return Sight(vcenter, name, seen, current_to, None if age is None else round(age, 1), detail)


async def vcenters_of(pool: Pool, wires: Collection[UUID]) -> dict[UUID, UUID]:
    """The vCenter of each of these wires, by the wire's id."""
    rows = await pool.fetch(
        "SELECT id, vcenter_id FROM inventory.wire WHERE id = ANY ($1::uuid[])", list(wires)
    )
    return {row["id"]: row["vcenter_id"] for row in rows}

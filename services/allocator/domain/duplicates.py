"""Who has the same MAC, or the same instance UUID, as somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.allocator.domain.claims import Dispute
from shared.events.address import ConflictKind


class Twin(NamedTuple):
    """One of those that have the same: a port, or a VM at one vCenter; and since when it is known."""

    id: UUID
    since: datetime


def between(twins: Iterable[Twin], kind: ConflictKind) -> list[Dispute]:
    """The first of them against each of the others; none while there is only one."""
    ordered = sorted(twins, key=lambda t: (t.since, t.id))
    return [Dispute(ordered[0].id, twin.id, twin.since, kind) for twin in ordered[1:]]

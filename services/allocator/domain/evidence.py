"""When sightings show that a further wire uses a subnet, and when they no longer do.

Each VM seen with an address of the subnet on the wire is one piece of evidence. A wire that was attached
stays so while VMs come and go; only when nobody has been seen for a set rest it is detached, and what was
seen until then counts no more. All of it follows from who was seen from when to when and up to when the
vCenter has spoken, never from the order in which facts came in (G3), nor from a clock: while a vCenter is
silent nothing ends (G4). Operators pin and deny; evidence never overrules them (G5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.allocator.domain.matching import SubnetView

TICK = timedelta(minutes=10)
"""Evidence ends on full ticks of what the vCenter has spoken up to: looking more often gains nothing."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A VM seen with an address of the subnet on the wire; `ended_at` None: it still has it."""

    vm: UUID
    vm_name: str
    port: UUID
    mac: str | None
    address: str
    prefix: int | None
    gateway: str | None
    first_seen: datetime
    last_seen: datetime
    live: bool
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """How much evidence it takes, and how long it lasts."""

    threshold: int = 2
    """Sum of weights at which a wire is attached."""
    strong: int = 1
    """Weight of a VM whose prefix length and gateway agree with the subnet's; others weigh 1."""
    rest: timedelta = timedelta(days=7)
    """How long nobody must be seen until the wire is detached."""


def strong(witness: Witness, subnet: SubnetView) -> bool:
    """Prefix length and default gateway, as the guest has them, are the subnet's."""
    return (
        witness.prefix == subnet.prefix.prefixlen
        and subnet.gateway is not None
        and witness.gateway == str(subnet.gateway)
    )


def weigh(witnesses: Iterable[Witness], subnet: SubnetView, weight: Weight) -> int:
    """The sum of weights, each VM counted once, with the best it has."""
    best: dict[UUID, int] = {}
    for witness in witnesses:
        worth = weight.strong if strong(witness, subnet) else 1
        best[witness.vm] = max(best.get(witness.vm, 0), worth)
    return sum(best.values())


def attached_since(
    witnesses: Iterable[Witness], subnet: SubnetView, weight: Weight, now: datetime
) -> datetime | None:
    """Since when the evidence is enough; None where it never was, or has ended by `now`."""
    best: dict[UUID, int] = {}
    for witness in current(witnesses, weight, now):
        worth = weight.strong if strong(witness, subnet) else 1
        best[witness.vm] = max(best.get(witness.vm, 0), worth)
        if sum(best.values()) >= weight.threshold:
            return witness.first_seen
    return None


def current(witnesses: Iterable[Witness], weight: Weight, now: datetime) -> list[Witness]:
    """Those that count still, in the order they were first seen; none from before a rest without any."""
    counted: list[Witness] = []
    until: datetime | None = None
    for witness in sorted(witnesses, key=lambda w: (w.first_seen, w.vm, w.address)):
        if until is not None and witness.first_seen > until:
            counted = []
        counted.append(witness)
        until = max(_counts_until(witness, weight), until or witness.first_seen)
    return [] if until is None or now > until else counted


def last_tick(spoken_up_to: datetime) -> datetime:
    """The last full tick before what a vCenter has spoken up to."""
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (spoken_up_to - epoch) // TICK * TICK


def _counts_until(witness: Witness, weight: Weight) -> datetime:
    if witness.ended_at is None:
        return datetime.max.replace(tzinfo=UTC)
    return witness.ended_at + weight.rest

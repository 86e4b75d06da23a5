"""When sightings show that a further wire uses a subnet.

Each VM seen with an address of the subnet on the wire is one piece of evidence, whether it still lives or
not: so the outcome does not depend on the order in which facts come in, and a wire that was attached is not
detached because VMs come and go. Operators pin and deny; evidence never overrules them (G5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.domain.matching import SubnetView


@dataclass(frozen=True, slots=True)
class Witness:
    """A VM seen with an address of the subnet on the wire."""

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


@dataclass(frozen=True, slots=True)
class Weight:
    """How much evidence it takes."""

    threshold: int = 2
    """Sum of weights at which a wire is attached."""
    strong: int = 1
    """Weight of a VM whose prefix length and gateway agree with the subnet's; others weigh 1."""


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


def attached_since(witnesses: Iterable[Witness], subnet: SubnetView, weight: Weight) -> datetime | None:
    """When the evidence became enough; None while it is not."""
    ordered = sorted(witnesses, key=lambda w: (w.first_seen, w.vm, w.address))
    best: dict[UUID, int] = {}
    for witness in ordered:
        worth = weight.strong if strong(witness, subnet) else 1
        best[witness.vm] = max(best.get(witness.vm, 0), worth)
        if sum(best.values()) >= weight.threshold:
            return witness.first_seen
    return None

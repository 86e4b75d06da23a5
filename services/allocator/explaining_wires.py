"""For each wire of a subnet, why it may use the subnet, or may not (G6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.allocator.attaching import read_witnesses
from services.allocator.domain.evidence import Weight, Witness, strong, weigh
from services.allocator.domain.matching import SubnetView
from services.allocator.finding import find_subnet
from services.allocator.views import read_wires
from shared.ipam.subnets import Subnet
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class WhyWire:
    """A wire of a subnet. `role`: default, detected, pinned, denied, or seen (not enough evidence yet)."""

    wire: UUID
    wire_name: str
    role: str
    since: datetime | None
    because: str
    evidence: tuple[Witness, ...] = ()
    strong: int = 0
    """How many of `evidence` agree in prefix length and gateway."""


async def why_wires(
    pool: Pool, subnet: str, *, scope: str = DEFAULT_SCOPE_NAME, weight: Weight | None = None
) -> tuple[WhyWire, ...]:
    """Explain the wires of the subnet with that id or name, and further ones that it is seen on.

    `weight` is the evidence that the allocator is set to ask for. Raises `PermanentError` subnet_unknown.
    """
    asked = weight or Weight()
    async with pool.acquire() as conn:
        known = await find_subnet(conn, subnet, scope)
        view = SubnetView(
            known.id, known.scope_id, known.name, known.prefix, known.gateway, known.default_wire
        )
        roles = await _roles(conn, known)
        witnesses = await read_witnesses(
            conn, {(known.id, wire): view for wire in roles if wire != known.default_wire}
        )
        names = await read_wires(conn, roles)
    explained = []
    for wire, (role, since) in roles.items():
        seen = tuple(sorted(witnesses.get((known.id, wire), ()), key=lambda w: (w.first_seen, w.address)))
        if role == "seen" and not seen:
            continue
        explained.append(
            WhyWire(
                wire=wire,
                wire_name=names[wire].name if wire in names else str(wire),
                role=role,
                since=since,
                because=_because(role, seen, weigh(seen, view, asked), asked),
                evidence=seen,
                strong=sum(strong(w, view) for w in seen),
            )
        )
    return tuple(explained)


async def _roles(conn: Connection, subnet: Subnet) -> dict[UUID, tuple[str, datetime | None]]:
    rows = await conn.fetch(
        """
        SELECT wire_id, role, since FROM ipam.subnet_wire WHERE subnet_id = $1
        UNION ALL
        SELECT s.wire_id, 'seen', min(s.first_seen) FROM inventory.sighting s
        JOIN inventory.vcenter c ON c.id = s.vcenter_id AND c.scope_id = $4
        WHERE s.address BETWEEN $2::inet AND $3::inet AND s.wire_id <> $5
          AND s.wire_id NOT IN (SELECT wire_id FROM ipam.subnet_wire WHERE subnet_id = $1)
        GROUP BY s.wire_id
        ORDER BY 3, 1
        """,
        subnet.id,
        subnet.prefix.network_address,
        subnet.prefix.broadcast_address,
        subnet.scope_id,
        UUID(int=0),
    )
    roles: dict[UUID, tuple[str, datetime | None]] = {subnet.default_wire: ("default", None)}
    for row in rows:
        roles.setdefault(row["wire_id"], (row["role"], row["since"]))
    return roles


def _because(role: str, seen: tuple[Witness, ...], weighs: int, weight: Weight) -> str:
    vms = len({w.vm for w in seen})
    if role == "default":
        return "the subnet was created on it"
    if role == "pinned":
        return f"an operator pinned it; {vms} VMs are seen on it with addresses of the subnet"
    if role == "denied":
        return f"an operator denied it; {vms} VMs are seen on it with addresses of the subnet all the same"
    if role == "detected":
        return f"{vms} VMs were seen on it with addresses of the subnet ({weight.threshold} needed)"
    return (
        f"{vms} VMs were seen on it with addresses of the subnet, which weighs {weighs} of the "
        f"{weight.threshold} needed to attach it"
    )

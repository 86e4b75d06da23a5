"""For each wire of a subnet, why it may use the subnet, or may not (G6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.evidence import Weight, Witness, strong, weigh
from services.allocator.domain.matching import SubnetView
from services.allocator.finding import find_subnet, find_wire
from services.allocator.views import WireName, read_subnets, read_wires
from services.allocator.witnesses import read_current
from shared.ipam.subnets import Subnet
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class WhyWire:
    """A wire of a subnet. `role`: default, mapped, detected, pinned, denied, seen (too little), or none.

    `evidence` are the VMs that count, `weight` is what they weigh of the `needed`.
    """

    wire: UUID
    wire_name: str
    role: str
    since: datetime | None
    by: str | None
    because: str
    evidence: tuple[Witness, ...] = ()
    strong: int = 0
    """How many of `evidence` agree in prefix length and gateway."""
    weight: int = 0
    needed: int = 0


async def why_wires(
    pool: Pool, subnet: str, *, scope: str = DEFAULT_SCOPE_NAME, weight: Weight | None = None
) -> tuple[WhyWire, ...]:
    """Explain the wires of the subnet with that id or name, and further ones that it is seen on.

    `weight` is the evidence that the allocator is set to ask for. Raises `PermanentError` subnet_unknown.
    """
    async with pool.acquire() as conn:
        known = await find_subnet(conn, subnet, scope)
        roles = await _roles(conn, known)
        explained = await _explained(conn, known, roles, weight or Weight())
    return tuple(why for why in explained if why.role != "seen" or why.evidence)


async def why_wire(
    pool: Pool, subnet: str, wire: str, *, scope: str = DEFAULT_SCOPE_NAME, weight: Weight | None = None
) -> WhyWire:
    """Explain one wire of a subnet, be it none. Raises `PermanentError` as the finders do."""
    async with pool.acquire() as conn:
        known = await find_subnet(conn, subnet, scope)
        identity: UUID = (await find_wire(conn, wire))["id"]
        roles = {w: role for w, role in (await _roles(conn, known)).items() if w == identity}
        (why,) = await _explained(conn, known, roles or {identity: None}, weight or Weight())
    return why


async def _explained(
    conn: Connection, subnet: Subnet, roles: Mapping[UUID, Record | None], weight: Weight
) -> list[WhyWire]:
    view = (await read_subnets(conn, [subnet.id]))[subnet.id]
    pairs = {(subnet.id, wire): view for wire in roles if wire != subnet.default_wire}
    witnesses = await read_current(conn, pairs, weight)
    names = await read_wires(conn, roles)
    return [
        _why(names.get(wire), wire, role, witnesses.get((subnet.id, wire), ()), subnet=view, weight=weight)
        for wire, role in roles.items()
    ]


def _why(
    name: WireName | None,
    wire: UUID,
    row: Record | None,
    seen: Sequence[Witness],
    *,
    subnet: SubnetView,
    weight: Weight,
) -> WhyWire:
    role = "default" if wire == subnet.default_wire else "none" if row is None else row["role"]
    if role == "none" and seen:
        role = "seen"
    weighs = weigh(seen, subnet, weight)
    by = None if row is None else row["by"]
    return WhyWire(
        wire=wire,
        wire_name=str(wire) if name is None else name.name,
        role=role,
        since=None if row is None else row["since"],
        by=by,
        because=_because(role, by, seen, weighs, weight),
        evidence=tuple(seen),
        strong=sum(strong(w, subnet) for w in seen),
        weight=weighs,
        needed=weight.threshold,
    )


async def _roles(conn: Connection, subnet: Subnet) -> dict[UUID, Record | None]:
    """The wires of a subnet, the default one first, and those on which an address of it is seen."""
    rows = await conn.fetch(
        """
        SELECT wire_id, role, since, by FROM ipam.subnet_wire WHERE subnet_id = $1
        UNION ALL
        SELECT wire_id, 'mapped', NULL, NULL FROM inventory.mapped_wire WHERE subnet_id = $1
        UNION ALL
        SELECT s.wire_id, 'seen', min(s.first_seen), NULL FROM inventory.sighting s
        JOIN inventory.vcenter c ON c.id = s.vcenter_id AND c.scope_id = $4
        WHERE s.address BETWEEN $2::inet AND $3::inet AND s.wire_id <> $5
          AND s.wire_id NOT IN (
              SELECT wire_id FROM ipam.subnet_wire WHERE subnet_id = $1
              UNION ALL SELECT wire_id FROM inventory.mapped_wire WHERE subnet_id = $1
          )
        GROUP BY s.wire_id
        ORDER BY 3, 1
        """,
        subnet.id,
        subnet.prefix.network_address,
        subnet.prefix.broadcast_address,
        subnet.scope_id,
        UUID(int=0),
    )
    found: dict[UUID, Record | None] = {subnet.default_wire: None}
    return found | {row["wire_id"]: row for row in rows if row["wire_id"] != subnet.default_wire}


def _because(role: str, by: str | None, seen: Sequence[Witness], weighs: int, weight: Weight) -> str:
    count = len({w.vm for w in seen})
    vms = "1 VM" if count == 1 else f"{count} VMs"
    is_seen = f"{vms} {'is' if count == 1 else 'are'} seen on it with addresses of the subnet"
    who = by or "an operator"
    if role == "default":
        return "the subnet was created on it"
    if role == "mapped":
        return "it is on the same switch and VLAN as the default wire, which makes them one network here"
    if role == "pinned":
        return f"{who} pinned it; {is_seen}"
    if role == "denied":
        return f"{who} denied it; {is_seen}" + (" all the same" if count else "")
    if role == "detected":
        return f"{is_seen} ({weight.threshold} needed); it stays until nobody is for {_span(weight.rest)}"
    if role == "seen":
        return f"{is_seen}, which weighs {weighs} of the {weight.threshold} needed to attach it"
    return "nobody is seen on it with an address of the subnet, and no operator said anything about it"


def _span(rest: timedelta) -> str:
    hours = rest.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"

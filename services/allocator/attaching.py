"""Additional wires: evidence weighed, wires attached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.allocator.batch import Glimpse
from services.allocator.domain.evidence import Weight, Witness, attached_since, strong
from services.allocator.domain.matching import SubnetView, match
from services.allocator.views import WireName, read_containing, read_on_wires, read_wires
from shared.events.subnet import Evidence, SubnetWireAttached
from shared.ipam.subnets import set_wire
from shared.store.pool import Connection

Pair = tuple[UUID, UUID]
"""A subnet and a wire."""
WITNESSES_TOLD = 20

OPERATORS_ROLES = ("pinned", "denied")


@dataclass(slots=True)
class Attachment:
    """A wire that evidence has just attached, with the addresses on it that this concerns."""

    event: SubnetWireAttached
    at: datetime
    addresses: set[str]


async def attach(
    conn: Connection,
    glimpses: Iterable[Glimpse],
    scope_of: Mapping[UUID, UUID],
    default: UUID,
    weight: Weight,
) -> list[Attachment]:
    """Weigh the evidence that `glimpses` add to, and attach the wires for which it is enough."""
    pairs = await _pairs(conn, glimpses, scope_of, default)
    pairs = await _undecided(conn, pairs)
    if not pairs:
        return []
    subnets = {pair: subnet for pair, (subnet, _) in pairs.items()}
    witnesses = await read_witnesses(conn, subnets)
    wires = await read_wires(conn, {wire for _, wire in subnets})
    attachments = []
    for pair in sorted(subnets, key=str):
        subnet, seen = subnets[pair], witnesses.get(pair, [])
        since = attached_since(seen, subnet, weight)
        if since is None:
            continue
        fresh = await _attach(conn, pair, since)
        if fresh:
            attachments.append(
                Attachment(
                    event=attached_event(subnet, pair[1], wires, "detected", seen),
                    at=since,
                    addresses={w.address for w in seen if w.live},
                )
            )
    return attachments


def attached_event(
    subnet: SubnetView, wire: UUID, wires: Mapping[UUID, WireName], how: Any, witnesses: Iterable[Witness]
) -> SubnetWireAttached:
    """The event that tells of an attached wire, with the oldest of its evidence."""
    known = wires.get(wire)
    oldest = sorted(witnesses, key=lambda w: (w.first_seen, w.vm, w.address))[:WITNESSES_TOLD]
    return SubnetWireAttached(
        subnet=subnet.id,
        subnet_name=subnet.name,
        wire=wire,
        wire_name=str(wire) if known is None else known.name,
        vcenter=UUID(int=0) if known is None else known.vcenter,
        how=how,
        evidence=tuple(
            Evidence(
                vm=w.vm,
                vm_name=w.vm_name,
                port=w.port,
                mac=w.mac,
                address=w.address,
                first_seen=w.first_seen,
                last_seen=w.last_seen,
                strong=strong(w, subnet),
            )
            for w in oldest
        ),
    )


async def read_witnesses(conn: Connection, subnets: Mapping[Pair, SubnetView]) -> dict[Pair, list[Witness]]:
    """The evidence for each pair: sightings within the prefix that no other subnet of the wire explains."""
    pairs = list(subnets)
    if not pairs:
        return {}
    rows = await conn.fetch(
        """
        SELECT k.subnet, s.wire_id, s.vm_id, coalesce(v.name, s.moid) AS vm_name, s.port_id, p.mac,
               s.device_key, host(s.address) AS address, s.prefix, host(s.gateway) AS gateway, s.first_seen,
               coalesce(s.ended_at, g.observed_at, s.first_seen) AS last_seen, s.live
        FROM unnest($1::uuid[], $2::uuid[], $3::inet[], $4::inet[])
            AS k (subnet, wire, low, high)
        JOIN inventory.sighting s ON s.wire_id = k.wire AND s.address BETWEEN k.low AND k.high
        LEFT JOIN inventory.vm v USING (vcenter_id, moid)
        LEFT JOIN inventory.guest g USING (vcenter_id, moid)
        LEFT JOIN inventory.port p ON p.id = s.port_id
        WHERE s.vm_id IS NOT NULL
        """,
        [subnet for subnet, _ in pairs],
        [wire for _, wire in pairs],
        [subnets[pair].prefix.network_address for pair in pairs],
        [subnets[pair].prefix.broadcast_address for pair in pairs],
    )
    on_wire = await read_on_wires(conn, {wire for _, wire in pairs})
    found: dict[Pair, list[Witness]] = {}
    for row in rows:
        pair = (row["subnet"], row["wire_id"])
        own = [(s, role) for s, role in on_wire.get(pair[1], ()) if s.id != pair[0]]
        if match(row["address"], row["device_key"], True, own, None).subnet is None:
            found.setdefault(pair, []).append(
                Witness(
                    row["vm_id"], row["vm_name"], row["port_id"], row["mac"], row["address"], row["prefix"],
                    row["gateway"], row["first_seen"], max(row["last_seen"], row["first_seen"]), row["live"],
                )
            )  # fmt: skip
    return found


async def _pairs(
    conn: Connection, glimpses: Iterable[Glimpse], scope_of: Mapping[UUID, UUID], default: UUID
) -> dict[Pair, tuple[SubnetView, datetime]]:
    """Subnets seen from wires that are not their default one, and the earliest of the new sightings."""
    glimpses = await _unexplained(conn, list(glimpses))
    if not glimpses:
        return {}
    scopes = {scope_of.get(g.vcenter, default) for g in glimpses}
    containing = await read_containing(conn, scopes, {g.address for g in glimpses})
    pairs: dict[Pair, tuple[SubnetView, datetime]] = {}
    for glimpse in glimpses:
        subnet = containing.get((scope_of.get(glimpse.vcenter, default), glimpse.address))
        if subnet is None or subnet.default_wire == glimpse.wire:
            continue
        pair = (subnet.id, glimpse.wire)
        earliest = min(glimpse.first_seen, pairs[pair][1]) if pair in pairs else glimpse.first_seen
        pairs[pair] = (subnet, earliest)
    return pairs


async def _unexplained(conn: Connection, glimpses: list[Glimpse]) -> list[Glimpse]:
    """Without those that a subnet created on their own wire explains: most, and no evidence of anything."""
    if not glimpses:
        return []
    on_wire = await read_on_wires(conn, {g.wire for g in glimpses})
    own = {w: [(s, r) for s, r in found if r == "default"] for w, found in on_wire.items()}
    return [g for g in glimpses if match(g.address, 0, True, own.get(g.wire, ()), None).subnet is None]


async def _undecided(
    conn: Connection, pairs: Mapping[Pair, tuple[SubnetView, datetime]]
) -> dict[Pair, tuple[SubnetView, datetime]]:
    """Without the pairs on which operators decided, and those attached since before the new sightings."""
    if not pairs:
        return {}
    rows = await conn.fetch(
        """
        SELECT w.subnet_id, w.wire_id, w.role, w.since FROM ipam.subnet_wire w
        JOIN unnest($1::uuid[], $2::uuid[]) AS k (subnet_id, wire_id) USING (subnet_id, wire_id)
        """,
        [subnet for subnet, _ in pairs],
        [wire for _, wire in pairs],
    )
    decided = {(r["subnet_id"], r["wire_id"]): r for r in rows}
    return {
        pair: found
        for pair, found in pairs.items()
        if pair not in decided
        or (decided[pair]["role"] not in OPERATORS_ROLES and found[1] < decided[pair]["since"])
    }


async def _attach(conn: Connection, pair: Pair, since: datetime) -> bool:
    """Attach, or date back; whether the wire is attached anew."""
    subnet, wire = pair
    change = await set_wire(conn, subnet, wire, "detected", since, observed=True)
    if change.before == change.after == "detected":
        await set_wire(conn, subnet, wire, None, since, observed=True)
        await set_wire(conn, subnet, wire, "detected", since, observed=True)
        return False
    return change.after == "detected"

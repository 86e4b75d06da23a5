"""Evidence read: who is seen with addresses of a subnet on a wire that is not its default one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from services.allocator.domain.evidence import Weight, Witness, current, last_tick, strong
from services.allocator.domain.matching import Role, SubnetView, match
from services.allocator.views import read_on_wires, read_wires
from shared.events.subnet import Evidence
from shared.store.pool import Connection

Pair = tuple[UUID, UUID]
"""A subnet and a wire."""
WITNESSES_TOLD = 20


async def read_witnesses(conn: Connection, subnets: Mapping[Pair, SubnetView]) -> dict[Pair, list[Witness]]:
    """The evidence for each pair: sightings within the prefix that no other subnet of the wire explains."""
    pairs = list(subnets)
    if not pairs:
        return {}
    rows = await conn.fetch(
        """
        SELECT k.subnet, s.wire_id, s.vm_id, coalesce(v.name, s.moid) AS vm_name, s.port_id, p.mac,
               s.device_key, host(s.address) AS address, s.prefix, host(s.gateway) AS gateway, s.first_seen,
               coalesce(s.ended_at, g.observed_at, s.first_seen) AS last_seen, s.live, s.ended_at
        FROM unnest($1::uuid[], $2::uuid[], $3::inet[], $4::inet[], $5::uuid[])
            AS k (subnet, wire, low, high, scope)
        JOIN inventory.sighting s ON s.wire_id = k.wire AND s.address BETWEEN k.low AND k.high
        JOIN inventory.vcenter c ON c.id = s.vcenter_id AND c.scope_id = k.scope
        LEFT JOIN inventory.vm v USING (vcenter_id, moid)
        LEFT JOIN inventory.guest g USING (vcenter_id, moid)
        LEFT JOIN inventory.port p ON p.id = s.port_id
        WHERE s.vm_id IS NOT NULL
        """,
        [subnet for subnet, _ in pairs],
        [wire for _, wire in pairs],
        [subnets[pair].prefix.network_address for pair in pairs],
        [subnets[pair].prefix.broadcast_address for pair in pairs],
        [subnets[pair].scope for pair in pairs],
    )
    on_wire = await read_on_wires(conn, {wire for _, wire in pairs})
    found: dict[Pair, list[Witness]] = {}
    for row in rows:
        pair = (row["subnet"], row["wire_id"])
        own = [(s, role) for s, role in explaining(on_wire.get(pair[1], ())) if s.id != pair[0]]
        if match(row["address"], row["device_key"], True, own, None).subnet is None:
            found.setdefault(pair, []).append(
                Witness(
                    row["vm_id"], row["vm_name"], row["port_id"], row["mac"], row["address"], row["prefix"],
                    row["gateway"], row["first_seen"], max(row["last_seen"], row["first_seen"]), row["live"],
                    row["ended_at"],
                )
            )  # fmt: skip
    return found


def explaining(on_wire: Iterable[tuple[SubnetView, Role]]) -> list[tuple[SubnetView, Role]]:
    """The subnets that people put on the wire: what fits one of them is no evidence for another."""
    return [(subnet, role) for subnet, role in on_wire if role not in ("detected", "denied")]


async def read_current(
    conn: Connection, subnets: Mapping[Pair, SubnetView], weight: Weight
) -> dict[Pair, list[Witness]]:
    """The evidence for each pair that counts still."""
    witnesses = await read_witnesses(conn, subnets)
    wires = await read_wires(conn, {wire for _, wire in witnesses})
    ticks = await ticks_of(conn, {w.vcenter for w in wires.values()})
    return {
        pair: current(seen, weight, ticks[wires[pair[1]].vcenter])
        for pair, seen in witnesses.items()
        if pair[1] in wires
    }


async def ticks_of(conn: Connection, vcenters: Iterable[UUID]) -> dict[UUID, datetime]:
    """The last full tick of what each vCenter has spoken up to."""
    rows = await conn.fetch(
        "SELECT id, current_to FROM inventory.vcenter WHERE id = ANY ($1::uuid[])", list(set(vcenters))
    )
    return {row["id"]: last_tick(row["current_to"]) for row in rows}


def told(witnesses: Iterable[Witness], subnet: SubnetView) -> tuple[Evidence, ...]:
    """The oldest of `witnesses`, as events tell them."""
    oldest = sorted(witnesses, key=lambda w: (w.first_seen, w.vm, w.address))[:WITNESSES_TOLD]
    return tuple(
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
    )

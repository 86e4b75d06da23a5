"""Port groups made again in place of others that are gone: the same switch, name and VLAN."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.objects import WireChanges, wire_facts
from shared.events.inventory import PortgroupChanged
from shared.events.wire import WireFacts
from shared.events.wire_decisions import WireRebindOffered, WireUse
from shared.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Offer:
    """`new` could stand in for `old`, whose port group is gone and which `uses` still name."""

    old: WireFacts
    new: WireFacts
    uses: tuple[WireUse, ...]


async def read_offers(conn: Connection, wires: Collection[UUID] | None = None) -> list[Offer]:
    """Offers that involve one of `wires`, or all, by name. They end once nothing names the old wire."""
    rows = await conn.fetch(
        """
        SELECT old.id AS old_id, old.state AS old, new.state AS new
        FROM inventory.wire old
        JOIN inventory.wire new
          ON new.vcenter_id = old.vcenter_id AND new.name = old.name AND new.id <> old.id
         AND inventory.switch_of(new.state) = inventory.switch_of(old.state)
         AND inventory.vlans_of(new.state) = inventory.vlans_of(old.state)
        WHERE old.retired AND NOT old.uplink AND NOT new.retired AND NOT new.uplink
          AND ($1::uuid[] IS NULL OR old.id = ANY ($1) OR new.id = ANY ($1))
        ORDER BY old.name, old.moid, new.moid
        """,
        None if wires is None else list(wires),
    )
    offers = [Offer(_facts(row["old"]), _facts(row["new"]), ()) for row in rows]
    uses = await read_uses(conn, {w.id for offer in offers for w in (offer.old, offer.new)})
    open_still = [
        replace(offer, uses=_left(uses.get(offer.old.id, ()), uses.get(offer.new.id, ()))) for offer in offers
    ]
    return [offer for offer in open_still if offer.uses]


def _left(old: Sequence[WireUse], new: Sequence[WireUse]) -> tuple[WireUse, ...]:
    """What people said of the old wire, for subnets for which nobody has said anything of the new one."""
    decided = {use.subnet for use in new if use.role != "detected"}
    return tuple(use for use in old if use.role != "detected" and use.subnet not in decided)


async def count_offers(pool: Pool) -> int:
    """How many wires are gone that others could stand in for."""
    async with pool.acquire() as conn:
        return len({offer.old.id for offer in await read_offers(conn)})


async def read_uses(conn: Connection, wires: Collection[UUID]) -> dict[UUID, tuple[WireUse, ...]]:
    """What each of `wires` is to which subnets; those that are nothing to any have no entry."""
    rows = await conn.fetch(
        """
        SELECT s.default_wire AS wire, s.id, s.name, 'default' AS role FROM ipam.subnet s
        WHERE s.default_wire = ANY ($1::uuid[])
        UNION ALL
        SELECT w.wire_id, s.id, s.name, w.role
        FROM ipam.subnet_wire w JOIN ipam.subnet s ON s.id = w.subnet_id
        WHERE w.wire_id = ANY ($1::uuid[])
        ORDER BY 3, 2
        """,
        list(wires),
    )
    found: dict[UUID, list[WireUse]] = {}
    for wire, subnet, name, role in rows:
        found.setdefault(wire, []).append(WireUse(subnet=subnet, subnet_name=name, role=role))
    return {wire: tuple(uses) for wire, uses in found.items()}


async def tell_offers(conn: Connection, out: Announcements, changes: WireChanges, occasion: Occasion) -> None:
    """Announce the offers that changes of port groups lead to."""
    touched = {wire.id for wire in (*changes.created, *changes.retired, *(w for w, _ in changes.renamed))}
    if not touched:
        return
    for offer in await read_offers(conn, touched):
        event = WireRebindOffered(wire=offer.new, instead_of=offer.old, uses=offer.uses)
        out.add(event, offer.old.id, offer.new.id, cause=occasion.cause())


def _facts(state: object) -> WireFacts:
    return wire_facts(PortgroupChanged.model_validate(state))

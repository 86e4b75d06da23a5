"""Additional wires: evidence weighed, wires attached, and detached when the evidence has ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.allocator.batch import Dirty, Glimpse
from services.allocator.domain.evidence import Weight, Witness, attached_since
from services.allocator.domain.matching import SubnetView, match
from services.allocator.networks import Networks
from services.allocator.views import (
    WireName,
    read_containing,
    read_detected,
    read_wires,
)
from services.allocator.witnesses import Pair, read_witnesses, ticks_of, told
from shared.events.subnet import SubnetWireAttached, SubnetWireDetached
from shared.ipam.subnets import set_wire
from shared.store.pool import Connection

OPERATORS_ROLES = ("pinned", "denied")


@dataclass(slots=True)
class Verdict:
    """A wire that evidence has just attached or detached, with the addresses on it that this concerns."""

    event: SubnetWireAttached | SubnetWireDetached
    addresses: set[str]


async def weigh_evidence(  # noqa: PLR0917  what evidence is weighed by
    conn: Connection,
    dirty: Dirty,
    scope_of: Mapping[UUID, UUID],
    default: UUID,
    networks: Networks,
    weight: Weight,
) -> list[Verdict]:
    """Weigh the evidence that `dirty` adds to or takes from, and let the wires' roles follow from it."""
    glimpses = await _unexplained(conn, dirty.glimpses, networks)
    news = await _pairs(conn, glimpses, scope_of, default)
    pairs = await _undecided(conn, news, weight)
    pairs |= await read_detected(conn, dirty.vcenters)
    if not pairs:
        return []
    witnesses = await read_witnesses(conn, pairs)
    wires = await read_wires(conn, {wire for _, wire in pairs})
    ticks = await ticks_of(conn, {w.vcenter for w in wires.values()})
    roles = await _roles(conn, pairs)
    verdicts = []
    for pair in sorted(pairs, key=str):
        wire = wires.get(pair[1])
        if wire is None:
            continue  # its port group's fact is on its way, and brings what is seen there with it
        seen = witnesses.get(pair, [])
        since = attached_since(seen, pairs[pair], weight, ticks[wire.vcenter])
        event = await _follow(
            conn, pairs[pair], wire, roles.get(pair), since=since, seen=seen, networks=networks
        )
        if event is not None:
            verdicts.append(Verdict(event, await _concerned(conn, pairs[pair], pair[1])))
    return verdicts


async def _follow(
    conn: Connection,
    subnet: SubnetView,
    wire: WireName,
    row: Record | None,
    *,
    since: datetime | None,
    seen: Sequence[Witness],
    networks: Networks,
) -> SubnetWireAttached | SubnetWireDetached | None:
    """Let the wire's role be what the evidence says; the event about it, if the role is another one now."""
    known = None if row is None else row["since"]
    if (row is not None and row["role"] in OPERATORS_ROLES) or since == known:
        return None
    networks.forget()
    if known is not None:
        await set_wire(conn, subnet.id, wire.id, None, known, observed=True)
    if since is None:
        return detached_event(subnet, wire, "evidence_ended", before="detected", seen=seen)
    change = await set_wire(conn, subnet.id, wire.id, "detected", since, observed=True)
    if known is not None or change.after != "detected":
        return None
    return attached_event(subnet, wire, "detected", since=since, seen=seen)


def attached_event(
    subnet: SubnetView, wire: WireName, how: str, *, seen: Iterable[Witness], **more: object
) -> SubnetWireAttached:
    """The event that tells of an attached wire, with the oldest of its evidence."""
    return SubnetWireAttached.model_validate(
        {**_names(subnet, wire), "how": how, "evidence": told(seen, subnet), **more}
    )


def detached_event(
    subnet: SubnetView, wire: WireName, how: str, *, seen: Iterable[Witness] = (), **more: object
) -> SubnetWireDetached:
    """The event that tells of a detached wire, or of an operator's word on one that was not attached."""
    return SubnetWireDetached.model_validate(
        {**_names(subnet, wire), "how": how, "evidence": told(seen, subnet), **more}
    )


def _names(subnet: SubnetView, wire: WireName) -> dict[str, object]:
    return {
        "subnet": subnet.id,
        "subnet_name": subnet.name,
        "wire": wire.id,
        "wire_name": wire.name,
        "vcenter": wire.vcenter,
    }


async def _concerned(conn: Connection, subnet: SubnetView, wire: UUID) -> set[str]:
    """Addresses of `subnet` on `wire` that somebody has, or that the ledger still knows."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT host(s.address) FROM inventory.sighting s
        WHERE s.wire_id = $1 AND s.address BETWEEN $2::inet AND $3::inet
          AND (s.live OR EXISTS (
              SELECT FROM ipam.address a WHERE a.scope_id = $4 AND a.address = s.address
          ))
        """,
        wire,
        subnet.prefix.network_address,
        subnet.prefix.broadcast_address,
        subnet.scope,
    )
    return {row[0] for row in rows}


async def _pairs(
    conn: Connection, glimpses: Collection[Glimpse], scope_of: Mapping[UUID, UUID], default: UUID
) -> dict[Pair, tuple[SubnetView, list[Glimpse]]]:
    """Subnets seen from wires that are not their default one, with what is new about it."""
    if not glimpses:
        return {}
    scopes = {scope_of.get(g.vcenter, default) for g in glimpses}
    containing = await read_containing(conn, scopes, {g.address for g in glimpses})
    pairs: dict[Pair, tuple[SubnetView, list[Glimpse]]] = {}
    for glimpse in glimpses:
        subnet = containing.get((scope_of.get(glimpse.vcenter, default), glimpse.address))
        if subnet is not None and subnet.default_wire != glimpse.wire:
            pairs.setdefault((subnet.id, glimpse.wire), (subnet, []))[1].append(glimpse)
    return pairs


async def _unexplained(conn: Connection, glimpses: Collection[Glimpse], networks: Networks) -> list[Glimpse]:
    """Without those that a subnet put on their own wire explains: most, and no evidence of anything."""
    if not glimpses:
        return []
    known = await networks.of(conn, {g.wire for g in glimpses})
    return [g for g in glimpses if match(g.address, 0, True, known[g.wire].explaining, None).subnet is None]


async def _undecided(
    conn: Connection, pairs: Mapping[Pair, tuple[SubnetView, list[Glimpse]]], weight: Weight
) -> dict[Pair, SubnetView]:
    """Without the pairs on which operators decided, and those about which the news can change nothing."""
    rows = await _roles(conn, pairs)
    return {
        pair: subnet
        for pair, (subnet, glimpses) in pairs.items()
        if pair not in rows
        or (
            rows[pair]["role"] not in OPERATORS_ROLES
            and any(_matters(glimpse, rows[pair]["since"], weight) for glimpse in glimpses)
        )
    }


def _matters(glimpse: Glimpse, attached: datetime, weight: Weight) -> bool:
    """Whether news of one sighting can change since when, or whether, a wire is attached.

    Not the common news: another VM is seen soon after it was attached, and stays.
    """
    return (
        glimpse.anew
        or glimpse.ended_at is not None
        or not attached <= glimpse.first_seen <= attached + weight.rest
    )


async def _roles(conn: Connection, pairs: Iterable[Pair]) -> dict[Pair, Record]:
    asked = list(pairs)
    if not asked:
        return {}
    rows = await conn.fetch(
        """
        SELECT w.subnet_id, w.wire_id, w.role, w.since FROM ipam.subnet_wire w
        JOIN unnest($1::uuid[], $2::uuid[]) AS k (subnet_id, wire_id) USING (subnet_id, wire_id)
        """,
        [subnet for subnet, _ in asked],
        [wire for _, wire in asked],
    )
    return {(r["subnet_id"], r["wire_id"]): r for r in rows}

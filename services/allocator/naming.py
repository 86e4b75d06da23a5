"""The names behind ids, for sentences and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.allocator.docket import Person
from services.allocator.domain.claims import Parked
from services.allocator.domain.evidence import Weight, weigh
from services.allocator.domain.matching import SubnetView
from services.allocator.domain.reports import UNPLACED
from services.allocator.domain.sentences import Ground, SubnetNamed, explain
from services.allocator.domain.settlement import Spot
from services.allocator.views import WireName, read_wires
from services.allocator.witnesses import read_current
from shared.events.address import Party
from shared.ipam.domain import Holder
from shared.ipam.reserving import reserved_at
from shared.ipam.scopes import list_scopes
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection

DEFAULT_SCOPE = scope_id(DEFAULT_SCOPE_NAME)


@dataclass(frozen=True, slots=True)
class ParkedAddress:
    """An unmatched address with whose it is."""

    person: Person
    address: str
    parked: Parked
    stated: Sequence[str] = ()


async def sentences(conn: Connection, parked: Sequence[ParkedAddress], weight: Weight) -> list[str]:
    """For each of `parked`, why it has no record, with the names and counts of now."""
    if not parked:
        return []
    wires = {p.person.wire for p in parked if p.person.wire is not None}
    wires |= {s.default_wire for p in parked for s in p.parked.subnets}
    names = await read_wires(conn, wires)
    scopes = await list_scopes(conn)
    parties = await read_parties(conn, [p.parked.rival for p in parked if p.parked.rival is not None])
    pairs = {
        (subnet.id, p.person.wire): subnet
        for p in parked
        if p.parked.verdict == "subnet_on_other_wire" and p.person.wire is not None
        for subnet in p.parked.subnets
    }
    witnesses = await read_current(conn, pairs, weight)
    seen = {pair: weigh(witnesses.get(pair, ()), subnet, weight) for pair, subnet in pairs.items()}
    homes = await _homes(conn, parked) if len(scopes) > 1 else {}
    kept = [p.address for p in parked if _is_kept(p)]
    said = await reserved_at(conn, kept) if kept else {}
    bound = {spot: row.mac for spot, row in said.items() if row.mac is not None}
    known = _Names(names, scopes, parties, seen, homes, bound)
    return [_sentence(p, known, weight) for p in parked]


def _is_kept(p: ParkedAddress) -> bool:
    return p.parked.rival is not None and p.parked.rival.kind == "reserved"


async def _homes(conn: Connection, parked: Sequence[ParkedAddress]) -> dict[UUID, UUID]:
    """The scopes of vCenters."""
    rows = await conn.fetch(
        "SELECT id, scope_id FROM inventory.vcenter WHERE id = ANY ($1::uuid[])",
        list({p.person.vcenter for p in parked}),
    )
    return {row["id"]: row["scope_id"] for row in rows}


async def read_parties(conn: Connection, holders: Iterable[Holder]) -> dict[Holder, Party]:
    """Holders as events name them."""
    asked = {h for h in holders if h.kind != "cooling"}
    ids = [h.id for h in asked]
    if not ids:
        return {}
    rows = await conn.fetch(
        """
        SELECT 'nic' AS kind, id, vcenter_id, vm_id, vm_name, mac FROM inventory.nic
        WHERE id = ANY ($1::uuid[])
        UNION ALL
        SELECT DISTINCT ON (u.port_id) 'sighting', u.port_id, u.vcenter_id, u.vm_id, v.name, p.mac
        FROM inventory.unmatched u
        LEFT JOIN inventory.vm v ON v.vcenter_id = u.vcenter_id AND v.moid = u.vm_moid
        LEFT JOIN inventory.port p ON p.id = u.port_id
        WHERE u.port_id = ANY ($1::uuid[])
        """,
        ids,
    )
    known = {
        Holder(r["kind"], r["id"]): Party(
            kind=r["kind"],
            id=r["id"],
            vcenter=r["vcenter_id"],
            vm=r["vm_id"],
            vm_name=r["vm_name"],
            mac=r["mac"],
        )
        for r in rows
    }
    return {h: known.get(h, Party(kind=h.kind, id=h.id)) for h in asked}


class _Names(NamedTuple):
    wires: Mapping[UUID, WireName]
    scopes: Mapping[UUID, str]
    parties: Mapping[Holder, Party]
    seen: Mapping[tuple[UUID, UUID], int]
    homes: Mapping[UUID, UUID]
    """Scopes of vCenters; without those of the default one where there is no other."""
    bound: Mapping[Spot, str]
    """MACs that operators keep addresses for."""


def _sentence(p: ParkedAddress, names: _Names, weight: Weight) -> str:
    wire = None if p.person.wire is None else names.wires.get(p.person.wire)
    rival = None if p.parked.rival is None else names.parties.get(p.parked.rival)
    first = p.parked.subnets[0].id if p.parked.subnets else None
    home = names.homes.get(p.person.vcenter, DEFAULT_SCOPE)
    scope = p.parked.subnets[0].scope if p.parked.subnets else home
    return explain(
        Ground(
            verdict=p.parked.verdict,
            address=p.address,
            vm=p.person.vm_name,
            port=p.person.label or "an unnamed device",
            device_key=None if p.person.device_key == UNPLACED else p.person.device_key,
            scope=names.scopes.get(scope, str(scope)),
            wire=None if wire is None else wire.name,
            subnets=[_named(s, p.person.wire, names) for s in p.parked.subnets],
            rival=rival,
            bound_to=names.bound.get((scope, p.address)) if _is_kept(p) else None,
            seen=0 if first is None or p.person.wire is None else names.seen.get((first, p.person.wire), 0),
            needed=weight.threshold,
            stated=p.stated,
        )
    )


def _named(subnet: SubnetView, seen_on: UUID | None, names: _Names) -> SubnetNamed:
    wire = names.wires.get(subnet.default_wire)
    return SubnetNamed(
        subnet.name,
        str(subnet.prefix),
        str(subnet.default_wire) if wire is None else wire.name,
        names.scopes.get(subnet.scope, str(subnet.scope)),
        here=subnet.default_wire == seen_on,
    )

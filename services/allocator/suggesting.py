"""`patchbay subnet suggest`: subnets proposed from addresses that fit nowhere, with names and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.subnet_names import name_proposals
from services.allocator.domain.suggestions import Proposal, Stray, propose
from services.allocator.scopes import scopes_of
from shared.ipam.scopes import list_scopes
from shared.ipam.subnets import list_subnets
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Connection, Pool

FITS_NOWHERE = ("no_subnet_on_wire", "outside_prefix")


@dataclass(frozen=True, slots=True)
class SuggestedWire:
    """A wire that a proposed subnet is seen on."""

    id: UUID
    name: str
    vcenter: str


@dataclass(frozen=True, slots=True)
class SuggestionEvidence:
    """An address that would get a record, and what its guest says of the network."""

    vm: UUID
    vm_name: str
    wire: UUID
    address: str
    prefix: int | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A subnet to make, its default wire first of `wires`; `confidence` is from 0 to 1."""

    name: str
    scope: str
    prefix: str
    gateway: str | None
    dns: tuple[str, ...]
    wires: tuple[SuggestedWire, ...]
    vms: int
    confidence: float
    because: str
    evidence: tuple[SuggestionEvidence, ...]


async def suggest(
    pool: Pool, *, scope: str | None = None, vcenter: UUID | None = None, wire: UUID | None = None
) -> list[Suggestion]:
    """Subnets for the addresses that fit nowhere; of one scope, vCenter or wire, if given."""
    async with pool.acquire() as conn:
        rows = await _strays(conn, vcenter, wire)
        scopes, names = await scopes_of(conn), await list_scopes(conn)
        subnets = await list_subnets(conn)
    default = scope_id(DEFAULT_SCOPE_NAME)
    of = {_stray(row, scopes.get(row["vcenter_id"], default)): row for row in rows}
    existing: dict[UUID, list[object]] = {}
    taken: dict[UUID, list[str]] = {}
    for subnet in subnets:
        existing.setdefault(subnet.scope_id, []).append(subnet.prefix)
        taken.setdefault(subnet.scope_id, []).append(subnet.name)
    wanted = None if scope is None else scope_id(scope)
    proposals = propose((s for s in of if wanted in (None, s.scope)), existing)  # type: ignore[arg-type]
    wires = {row["wire_id"]: row for row in rows}
    called = name_proposals(proposals, {w: row["wire_name"] for w, row in wires.items()}, taken)
    return [
        _suggestion(name, p, names[p.scope], wires, of) for name, p in zip(called, proposals, strict=True)
    ]


async def _strays(conn: Connection, vcenter: UUID | None, wire: UUID | None) -> list[Record]:
    """Parked addresses that a new subnet could hold, beside what their guests say of the network."""
    return await conn.fetch(
        """
        SELECT u.vcenter_id, u.wire_id, u.vm_id, host(u.address) AS address, s.prefix,
               host(s.gateway) AS gateway, g.state -> 'dns' AS dns, coalesce(v.name, u.vm_moid) AS vm_name,
               coalesce(w.name, w.moid) AS wire_name, coalesce(c.name, w.vcenter_id::text) AS vcenter_name
        FROM inventory.unmatched u
        JOIN inventory.wire w ON w.id = u.wire_id AND NOT w.retired
        LEFT JOIN inventory.vcenter c ON c.id = u.vcenter_id
        LEFT JOIN inventory.vm v ON v.vcenter_id = u.vcenter_id AND v.moid = u.vm_moid
        LEFT JOIN inventory.guest g ON g.vcenter_id = u.vcenter_id AND g.moid = u.vm_moid
        LEFT JOIN LATERAL (
            SELECT prefix, gateway FROM inventory.sighting s
            WHERE s.port_id = u.port_id AND s.address = u.address AND s.live
            ORDER BY s.wire_id = u.wire_id DESC, s.first_seen LIMIT 1
        ) s ON true
        WHERE u.verdict = ANY ($1::text[]) AND ($2::uuid IS NULL OR u.vcenter_id = $2)
          AND ($3::uuid IS NULL OR u.wire_id = $3)
        """,
        list(FITS_NOWHERE),
        vcenter,
        wire,
    )


def _stray(row: Record, scope: UUID) -> Stray:
    return Stray(
        scope, row["wire_id"], row["vm_id"], row["address"], row["prefix"], row["gateway"],
        tuple(row["dns"] or ()),
    )  # fmt: skip


def _suggestion(
    name: str, p: Proposal, scope: str, wires: Mapping[UUID, Record], of: Mapping[Stray, Record]
) -> Suggestion:
    return Suggestion(
        name=name,
        scope=scope,
        prefix=str(p.prefix),
        gateway=p.gateway,
        dns=p.dns,
        wires=tuple(SuggestedWire(w, wires[w]["wire_name"], wires[w]["vcenter_name"]) for w in p.wires),
        vms=p.vms,
        confidence=p.confidence,
        because=_because(p),
        evidence=tuple(_evidence(p.strays, of)),
    )


def _evidence(strays: Sequence[Stray], of: Mapping[Stray, Record]) -> list[SuggestionEvidence]:
    told = [
        SuggestionEvidence(s.vm, of[s]["vm_name"], s.wire, s.address, s.prefix, s.gateway) for s in strays
    ]
    return sorted(told, key=lambda e: (e.vm_name, e.vm, e.address))


def _because(p: Proposal) -> str:
    parts = ["none tells this prefix length"]
    if p.agree_on_prefix:
        parts = [f"{_share(p.agree_on_prefix, p.vms)} this prefix length"]
    if p.gateway is not None:
        parts.append(f"{_share(p.agree_on_gateway, p.vms)} this gateway")
    if p.narrowed:
        parts.append("narrowed: the guests' own network overlaps another subnet")
    return ", ".join(parts)


def _share(some: int, all_of_them: int) -> str:
    if some == all_of_them:
        return "the only VM has" if some == 1 else "all have"
    return f"{some} of {all_of_them} have"

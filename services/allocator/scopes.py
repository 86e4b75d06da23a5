"""Which address space each vCenter's addresses are in: as the facts of its newest epoch say."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, cast
from uuid import UUID

from services.allocator.batch import Dirty, Glimpse
from services.allocator.vcenters import VCENTER, unknown_vcenter
from shared.events.base import Event, Fact
from shared.events.envelope import Envelope
from shared.ipam.scopes import ensure_scope
from shared.store.pool import Connection

NO_WIRE = UUID(int=0)


async def scopes_of(conn: Connection) -> dict[UUID, UUID]:
    """Scope id by vCenter."""
    return {
        row["id"]: row["scope_id"] for row in await conn.fetch("SELECT id, scope_id FROM inventory.vcenter")
    }


async def scopes_and_version(conn: Connection) -> tuple[dict[UUID, UUID], UUID | None]:
    """Scope id by vCenter, and the version of the networks; None where there is none, or no vCenter."""
    rows = await conn.fetch(
        "SELECT c.id, c.scope_id, n.version FROM inventory.vcenter c LEFT JOIN allocator.networks n ON true"
    )
    return {row["id"]: row["scope_id"] for row in rows}, rows[0]["version"] if rows else None


async def note_scopes(conn: Connection, envelopes: Collection[Envelope[Event]]) -> Dirty:
    """Take in what facts say of their vCenter's scope. Where it is another one now, all is matched anew.

    Whichever fact of an epoch comes first tells: a scope lasts as long as a login.
    """
    moved = []
    for vcenter, news in (await unnoted_scopes(conn, envelopes)).items():
        scope = await ensure_scope(conn, news.name)
        if news.known is None:
            row = unknown_vcenter(vcenter) | {"scope_id": scope, "scope_epoch": news.epoch}
            await VCENTER.upsert(conn, [tuple(row.values())])
            continue
        await conn.execute(
            "UPDATE inventory.vcenter SET scope_id = $2, scope_epoch = $3 WHERE id = $1",
            *(vcenter, scope, news.epoch),
        )
        if news.known != scope:
            moved.append(vcenter)
    return await everything_of(conn, moved) if moved else Dirty()


class News(NamedTuple):
    """What facts of a newer login say of a vCenter's scope."""

    epoch: int
    name: str
    known: UUID | None
    """The scope so far; None: a vCenter that was not known."""


async def unnoted_scopes(conn: Connection, envelopes: Collection[Envelope[Event]]) -> dict[UUID, News]:
    """What `note_scopes` has to take in, by vCenter."""
    newest: dict[UUID, tuple[int, str]] = {}
    # By type first: pydantic's models are slow to ask what they are an instance of.
    kinds = {kind for kind in {type(e.data) for e in envelopes} if issubclass(kind, Fact)}
    facts = (cast("Fact", e.data) for e in envelopes if type(e.data) in kinds)
    for vcenter, epoch, name in {(fact.vcenter, fact.epoch, fact.scope) for fact in facts}:
        newest[vcenter] = max(newest.get(vcenter, (0, "")), (epoch, name))
    rows = await conn.fetch(
        "SELECT id, scope_id, scope_epoch FROM inventory.vcenter WHERE id = ANY ($1::uuid[])", list(newest)
    )
    known = {row["id"]: (row["scope_epoch"], row["scope_id"]) for row in rows}
    return {
        vcenter: News(epoch, name, known.get(vcenter, (0, None))[1])
        for vcenter, (epoch, name) in sorted(newest.items())
        if vcenter not in known or epoch > known[vcenter][0]
    }


async def everything_of(conn: Connection, vcenters: list[UUID]) -> Dirty:
    """All VMs of the vCenters, and all that was ever seen on their wires as evidence."""
    dirty = Dirty(vcenters=set(vcenters))
    rows = await conn.fetch(
        "SELECT DISTINCT vm_id FROM inventory.vm WHERE vcenter_id = ANY ($1::uuid[]) AND vm_id IS NOT NULL",
        vcenters,
    )
    dirty.vms |= {row["vm_id"] for row in rows}
    macs = await conn.fetch(
        "SELECT DISTINCT mac FROM inventory.port WHERE vcenter_id = ANY ($1::uuid[]) AND mac IS NOT NULL",
        vcenters,
    )
    dirty.macs |= {row["mac"] for row in macs}
    rows = await conn.fetch(
        """
        SELECT vcenter_id, wire_id, host(address) AS address, first_seen, live
        FROM inventory.sighting WHERE vcenter_id = ANY ($1::uuid[])
        """,
        vcenters,
    )
    for row in rows:
        if row["live"]:
            dirty.addresses.add(row["address"])
        if row["wire_id"] != NO_WIRE:
            dirty.glimpses.add(
                Glimpse(row["vcenter_id"], row["wire_id"], row["address"], row["first_seen"], anew=True)
            )
    return dirty

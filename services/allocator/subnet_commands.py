"""Operators' commands about subnets: made, changed, deleted, and what was parked for them looked at again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Glimpse, Occasion
from services.allocator.finding import find_subnet, find_wire, refuse_other_vlan
from services.allocator.in_use import holders_named
from services.allocator.scopes import scopes_of
from services.allocator.settling import Policy, settle
from shared.events.commands import SubnetCreate, SubnetDelete, SubnetUpdate
from shared.events.envelope import Envelope
from shared.events.subnet import SubnetCreated, SubnetDeleted, SubnetFacts, SubnetUpdated
from shared.ipam import subnets as ledger
from shared.ipam.errors import LedgerRefusal
from shared.ipam.subnets import Subnet
from shared.model.identifiers import DEFAULT_SCOPE_NAME, derive, scope_id, subnet_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

NOT_COMPARED = {"revision", "ranges"}
MATCHED_BY = ("prefix", "gateway", "vlan", "default_wire")
"""Fields that matching and evidence look at."""
_EMPTY: dict[str, object] = {"ranges": (), "dns": (), "ntp": (), "routes": (), "labels": {}}


async def create(
    conn: Connection, envelope: Envelope[Any], command: SubnetCreate, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Make the subnet, match what was parked for it, and attach further wires it is seen on."""
    wire = await find_wire(conn, command.wire, vlan=command.vlan)
    if wire["retired"]:
        raise PermanentError(
            f"wire {wire['name']!r} ({wire['moid']}) is gone from its vCenter", code="wire_retired"
        )
    await refuse_other_vlan(conn, wire, command.vlan)
    scope = scope_id(command.scope)
    identity = subnet_id(scope, command.name, command.prefix)
    draft = SubnetFacts(
        id=identity, default_wire=wire["id"], **command.model_dump(exclude={"by", "wire", "dry_run"})
    )
    existing = await ledger.get(conn, identity)
    if existing is not None and _same(existing, draft):
        return existing.facts().model_dump(mode="json")
    identity = await new_identity(conn, scope, command.name, command.prefix, envelope)
    draft = draft.model_copy(update={"id": identity})
    subnet = await ledger.create_subnet(conn, draft, envelope.time)
    out.add(SubnetCreated(subnet=subnet.facts(), by=command.by), subnet.id, cause=envelope)
    await _look_again(conn, subnet, envelope, out, policy)
    return subnet.facts().model_dump(mode="json")


async def update(
    conn: Connection, envelope: Envelope[Any], command: SubnetUpdate, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Change what the command sets; evidence is weighed anew, as the gateway may agree now."""
    known = await find_subnet(conn, command.subnet, command.scope)
    changes = {
        name: getattr(command, name)
        for name in command.model_fields_set - {"subnet", "scope", "by", "dry_run", "clear"}
        if getattr(command, name) is not None or name in ("gateway", "domain", "mtu", "vlan")
    } | {name: _EMPTY.get(name) for name in command.clear}
    _refuse_both(known.name, command)
    if not changes:
        raise LedgerRefusal(
            f"nothing to change in subnet {known.name!r}: the command sets no field", code="nothing_to_change"
        )
    dirty = await affected(conn, known, envelope)
    async with holders_named(conn):
        before, after = await ledger.update_subnet(conn, known.id, changes, envelope.time)
    told = SubnetUpdated(subnet=after.facts(), before=before.facts(), by=command.by)
    out.add(told, after.id, cause=envelope)
    if any(getattr(before, name) != getattr(after, name) for name in MATCHED_BY):
        dirty.add(await affected(conn, after, envelope))
        await settle(conn, dirty, Occasion([envelope]), out, policy)
    return after.facts().model_dump(mode="json")


async def delete(
    conn: Connection, envelope: Envelope[Any], command: SubnetDelete, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Delete a subnet that nobody uses. Raises `LedgerRefusal` subnet_in_use with the holders."""
    known = await find_subnet(conn, command.subnet, command.scope)
    async with holders_named(conn):
        subnet = await ledger.delete_subnet(conn, known.id)
    out.add(SubnetDeleted(subnet=subnet.facts(), by=command.by), subnet.id, cause=envelope)
    await conn.execute("DELETE FROM inventory.statement WHERE subnet_id = $1", subnet.id)
    await _look_again(conn, subnet, envelope, out, policy)
    return subnet.facts().model_dump(mode="json")


async def new_identity(
    conn: Connection, scope: UUID, name: str, prefix: str, envelope: Envelope[Any]
) -> UUID:
    """The id of a subnet that is about to be made.

    Made of name and prefix, and of the command too when a subnet that has got other ones since has that id.
    """
    identity = subnet_id(scope, name, prefix)
    known = await ledger.get(conn, identity)
    if known is None or (known.name, str(known.prefix)) == (name, prefix):
        return identity
    return derive("subnet", identity, envelope.id)


def _refuse_both(name: str, command: SubnetUpdate) -> None:
    both = [field for field in command.clear if getattr(command, field) is not None]
    if both:
        raise LedgerRefusal(
            f"{both[0]} of subnet {name!r} can't be set and cleared at once",
            code="set_and_cleared",
            field=both[0],
        )


async def _look_again(
    conn: Connection, subnet: Subnet, envelope: Envelope[Any], out: Announcements, policy: Policy
) -> None:
    await settle(conn, await affected(conn, subnet, envelope), Occasion([envelope]), out, policy)


async def affected(
    conn: Connection, subnet: Subnet, envelope: Envelope[Any], wires: Iterable[UUID] = ()
) -> Dirty:
    """Exactly what `subnet` may change: sightings within its prefix on its wires or in its scope.

    With those that ended so lately that the address has to cool down still. And what is parked on its wires,
    or on `wires`, since no subnet there contains it: which ones are there is part of that verdict.
    """
    on = list(await _wires_of(conn, subnet) | set(wires))
    rows = await conn.fetch(
        """
        SELECT DISTINCT host(s.address) AS address, s.vcenter_id, s.wire_id, s.first_seen,
               s.live OR s.ended_at > $3::timestamptz - make_interval(secs => $4) AS counts,
               s.wire_id = ANY ($5::uuid[]) OR EXISTS (
                   SELECT FROM inventory.port p
                   WHERE p.id = s.port_id AND s.live AND p.wire_id = ANY ($5::uuid[])
               ) AS on_its_wire
        FROM inventory.sighting s
        WHERE s.address BETWEEN $1::inet AND $2::inet
        """,
        subnet.prefix.network_address,
        subnet.prefix.broadcast_address,
        envelope.time,
        float(subnet.cooldown_seconds),
        on,
    )
    scopes, default = await scopes_of(conn), scope_id(DEFAULT_SCOPE_NAME)
    dirty = Dirty(addresses=await _outside(conn, subnet, on))
    for row in rows:
        in_scope = scopes.get(row["vcenter_id"], default) == subnet.scope_id
        if row["counts"] and (in_scope or row["on_its_wire"]):
            dirty.addresses.add(row["address"])
        if in_scope and row["wire_id"] != UUID(int=0):
            dirty.glimpses.add(
                Glimpse(row["vcenter_id"], row["wire_id"], row["address"], row["first_seen"], anew=True)
            )
    return dirty


async def _wires_of(conn: Connection, subnet: Subnet) -> set[UUID]:
    rows = await conn.fetch(
        """
        SELECT wire_id FROM ipam.subnet_wire WHERE subnet_id = $1
        UNION SELECT wire_id FROM inventory.mapped_wire WHERE subnet_id = $1
        """,
        subnet.id,
    )
    return {subnet.default_wire} | {row["wire_id"] for row in rows}


async def _outside(conn: Connection, subnet: Subnet, wires: list[UUID]) -> set[str]:
    """Addresses of the subnet's family that are parked on `wires` as no subnet there contains them."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT host(address) FROM inventory.unmatched
        WHERE wire_id = ANY ($1::uuid[]) AND verdict IN ('no_subnet_on_wire', 'outside_prefix')
          AND family(address) = $2
        """,
        wires,
        subnet.prefix.version,
    )
    return {row[0] for row in rows}


def _same(existing: Subnet, draft: SubnetFacts) -> bool:
    """Whether the command asks for what is there already; then it was delivered twice."""
    asked, known = draft.model_dump(exclude=NOT_COMPARED), existing.facts().model_dump(exclude=NOT_COMPARED)
    return asked == known and (not draft.ranges or draft.ranges == existing.facts().ranges)

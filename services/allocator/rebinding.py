"""`command.wire.rebind`: a wire stands in for one whose port group is gone."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from asyncpg import Record

from services.allocator.announcing import Announcements
from services.allocator.attaching import attached_event, detached_event
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.finding import find_retired_wire, find_wire
from services.allocator.objects import wire_facts
from services.allocator.offers import read_uses
from services.allocator.scopes import scopes_of
from services.allocator.settling import Policy, settle
from services.allocator.subnet_commands import affected
from services.allocator.views import WireName, read_subnets, read_wires
from shared.events.envelope import Envelope
from shared.events.inventory import PortgroupChanged
from shared.events.subnet_changes import AdditionalWire, SubnetMoved
from shared.events.wire_commands import WireRebind
from shared.events.wire_decisions import WireRebound, WireUse
from shared.ipam.subnets import get, set_wire, update_subnet
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

Role = Literal["default", "pinned", "denied"]
_RECORDS = """
    SELECT EXISTS (
        SELECT FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id
        WHERE n.wire_id = $1 AND a.subnet_id = $2
    )
"""
"""Whether a wire carries records of a subnet."""


async def rebind(
    conn: Connection, envelope: Envelope[Any], command: WireRebind, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Use all subnets of the old wire from the new one, and match what is seen there. All or nothing.

    What was detected on the old wire is pinned on the new one: by now an operator says so. While VMs have
    records on the old one still, it stays pinned, so that none is lost before they are moved. Raises
    `PermanentError`: wire_unknown, wire_ambiguous, wire_is_uplink, wire_in_use, wire_retired,
    nothing_to_rebind, scopes_differ.
    """
    old, new = await find_retired_wire(conn, command.old), await find_wire(conn, command.new)
    await _refuse(conn, old, new)
    uses = (await read_uses(conn, [old["id"]])).get(old["id"], ())
    if not uses:
        raise PermanentError(
            f"no subnet names wire {old['name']!r} ({old['moid']}) any more", code="nothing_to_rebind"
        )
    wires = await read_wires(conn, [old["id"], new["id"]])
    told = len(out)
    dirty = Dirty()
    moved = []
    for use in uses:
        dirty.add(await _of_subnet(conn, use.subnet, envelope))
        role = await _move(conn, use, wires[old["id"]], wires[new["id"]], envelope=envelope, out=out)
        moved.append(use.model_copy(update={"role": role}))
        dirty.add(await _of_subnet(conn, use.subnet, envelope))
    event = WireRebound(wire=_facts(new), instead_of=_facts(old), uses=tuple(moved), by=command.by)
    out.add(event, old["id"], new["id"], cause=envelope)
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    return {
        "old": str(old["id"]),
        "new": str(new["id"]),
        "uses": [use.model_dump(mode="json") for use in moved],
        "events": len(out) - told,
    }


async def _refuse(conn: Connection, old: Record, new: Record) -> None:
    if new["retired"]:
        raise PermanentError(
            f"wire {new['name']!r} ({new['moid']}) is gone from its vCenter, too",
            code="wire_retired",
            hint="list the wires that are there with: patchbay wire list",
        )
    scopes = await scopes_of(conn)
    if scopes.get(old["vcenter_id"]) != scopes.get(new["vcenter_id"]):
        raise PermanentError(
            f"wires {old['name']!r} and {new['name']!r} belong to vCenters of different scopes",
            code="scopes_differ",
            hint="an address space can't be moved with a wire; create the subnet in the other scope",
        )


async def _of_subnet(conn: Connection, subnet: UUID, envelope: Envelope[Any]) -> Dirty:
    known = await get(conn, subnet)
    return Dirty() if known is None else await affected(conn, known, envelope)


async def _move(
    conn: Connection,
    use: WireUse,
    old: WireName,
    new: WireName,
    *,
    envelope: Envelope[Any],
    out: Announcements,
) -> Role:
    """Give the new wire what the old one was to a subnet, and say what that is."""
    more: dict[str, Any] = {"since": envelope.time, "by": envelope.data.by}
    kept = await conn.fetchval(_RECORDS, old.id, use.subnet)
    if use.role == "default":
        before, after = await update_subnet(conn, use.subnet, {"default_wire": new.id}, envelope.time)
        if kept:
            await set_wire(conn, use.subnet, old.id, "pinned", envelope.time, by=envelope.data.by)
        moved = SubnetMoved(
            subnet=after.facts(),
            before=before.facts(),
            wires=await _additional(conn, use.subnet),
            by=envelope.data.by,
        )
        out.add(moved, use.subnet, cause=envelope)
        return "default"
    view = (await read_subnets(conn, [use.subnet]))[use.subnet]
    role: Literal["pinned", "denied"] = "denied" if use.role == "denied" else "pinned"
    # What was detected stays so until the evidence ends by itself.
    if use.role != "detected" and not kept:
        await set_wire(conn, use.subnet, old.id, None, envelope.time)
        out.add(
            detached_event(view, old, "rebound", before=use.role, **more), use.subnet, old.id, cause=envelope
        )
    if view.default_wire == new.id:
        return "default"
    change = await set_wire(conn, use.subnet, new.id, role, envelope.time, by=envelope.data.by)
    if change.before != change.after:
        tell = attached_event if role == "pinned" else detached_event
        out.add(
            tell(view, new, role, seen=(), before=change.before, **more), use.subnet, new.id, cause=envelope
        )
    return role


async def _additional(conn: Connection, subnet: UUID) -> tuple[AdditionalWire, ...]:
    rows = await conn.fetch(
        "SELECT wire_id, role, since, by FROM ipam.subnet_wire WHERE subnet_id = $1 ORDER BY wire_id", subnet
    )
    return tuple(
        AdditionalWire(wire=r["wire_id"], role=r["role"], since=r["since"], by=r["by"]) for r in rows
    )


def _facts(row: Record) -> Any:
    return wire_facts(PortgroupChanged.model_validate(row["state"]))


COMMANDS: Commands = {WireRebind: rebind}

"""Operators' word on additional wires: pinned, denied, or left to evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.attaching import attached_event, detached_event
from services.allocator.batch import Occasion
from services.allocator.domain.evidence import Weight
from services.allocator.domain.matching import SubnetView
from services.allocator.finding import find_subnet, find_wire
from services.allocator.settling import Policy, settle
from services.allocator.subnet_commands import affected
from services.allocator.views import WireName, read_subnets, read_wires
from services.allocator.witnesses import read_current
from shared.events.commands import SubnetSetWire
from shared.events.envelope import Envelope
from shared.events.subnet import SubnetWireAttached, SubnetWireDetached
from shared.events.wire_commands import SubnetSetWires, WirePolicy
from shared.ipam.subnets import RoleChange, set_wire
from shared.ipam.wires import AdditionalRole
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

ROLES: dict[str, AdditionalRole | None] = {"pin": "pinned", "deny": "denied", "auto": None}


async def set_wire_policy(
    conn: Connection, envelope: Envelope[Any], command: SubnetSetWire, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Do what the operator says about one wire, and settle what is seen on it within the subnet."""
    one = WirePolicy(wire=command.wire, policy=command.policy)
    several = SubnetSetWires(subnet=command.subnet, scope=command.scope, wires=(one,), by=command.by)
    result = await set_wires(conn, envelope, several, out, policy)
    return {"subnet": result["subnet"], **result["wires"][0], "events": result["events"]}


async def set_wires(
    conn: Connection, envelope: Envelope[Any], command: SubnetSetWires, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Do what the operator says about some wires, all or nothing, and settle what the subnet concerns.

    Raises `PermanentError`: subnet_unknown, wire_unknown, wire_ambiguous, wire_is_uplink, wire_is_default,
    wire_twice.
    """
    subnet = await find_subnet(conn, command.subnet, command.scope)
    asked = [(await find_wire(conn, each.wire), ROLES[each.policy]) for each in command.wires]
    _refuse_twice([row["id"] for row, _ in asked], [each.wire for each in command.wires])
    view = (await read_subnets(conn, [subnet.id]))[subnet.id]
    wires = await read_wires(conn, [row["id"] for row, _ in asked])
    told = len(out)
    changes: list[tuple[UUID, RoleChange]] = []
    known = await conn.fetch("SELECT wire_id, role FROM ipam.subnet_wire WHERE subnet_id = $1", subnet.id)
    before = {row["wire_id"]: row["role"] for row in known}
    for row, role in asked:
        if role is None and before.get(row["id"]) == "detected":
            changes.append((row["id"], RoleChange("detected", "detected")))
            continue  # evidence decides already
        change = await set_wire(conn, subnet.id, row["id"], role, envelope.time, by=command.by)
        changes.append((row["id"], change))
        event = await _event(conn, view, wires[row["id"]], change, envelope, weight=policy.weight)
        if event is not None:
            out.add(event, subnet.id, row["id"], cause=envelope)
    dirty = await affected(conn, subnet, envelope, [wire for wire, _ in changes])
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    rows = await conn.fetch("SELECT wire_id, role FROM ipam.subnet_wire WHERE subnet_id = $1", subnet.id)
    roles = {row["wire_id"]: row["role"] for row in rows}
    return {
        "subnet": str(subnet.id),
        "wires": [
            {"wire": str(wire), "name": wires[wire].name, "before": change.before, "role": roles.get(wire)}
            for wire, change in changes
        ],
        "events": len(out) - told,
    }


def _refuse_twice(ids: Sequence[UUID], called: Sequence[str]) -> None:
    for wire in ids:
        names = [name for other, name in zip(ids, called, strict=True) if other == wire]
        if len(names) > 1:
            raise PermanentError(
                f"{' and '.join(map(repr, names))} are one wire; say one thing about it", code="wire_twice"
            )


async def _event(
    conn: Connection,
    subnet: SubnetView,
    wire: WireName,
    change: RoleChange,
    envelope: Envelope[Any],
    *,
    weight: Weight,
) -> SubnetWireAttached | SubnetWireDetached | None:
    """The event for an operator's decision that changed something: with it alone it can be made again."""
    if change.before == change.after:
        return None
    more: dict[str, Any] = {"before": change.before, "since": envelope.time, "by": envelope.data.by}
    if change.after == "pinned":
        pair = (subnet.id, wire.id)
        seen = (await read_current(conn, {pair: subnet}, weight)).get(pair, ())
        return attached_event(subnet, wire, "pinned", seen=seen, **more)
    if change.after == "denied":
        return detached_event(subnet, wire, "denied", **more)
    return detached_event(subnet, wire, "undenied" if change.before == "denied" else "unpinned", **more)

"""Operators' word on additional wires: pinned, denied, or left to evidence."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.attaching import attached_event, read_witnesses
from services.allocator.batch import Occasion
from services.allocator.domain.matching import SubnetView
from services.allocator.finding import find_subnet, find_wire
from services.allocator.settling import Policy, settle
from services.allocator.subnet_commands import affected
from services.allocator.views import read_wires
from shared.events.commands import SubnetSetWire
from shared.events.envelope import Envelope
from shared.events.subnet import SubnetWireAttached, SubnetWireDetached
from shared.ipam.subnets import RoleChange, Subnet, set_wire
from shared.ipam.wires import AdditionalRole
from shared.store.pool import Connection

_ROLES: dict[str, AdditionalRole | None] = {"pin": "pinned", "deny": "denied", "auto": None}
_USED = ("detected", "pinned")


async def set_wire_policy(
    conn: Connection, envelope: Envelope[Any], command: SubnetSetWire, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Do what the operator says about `wire`, and settle what is seen on it within the subnet."""
    subnet = await find_subnet(conn, command.subnet, command.scope)
    wire = await find_wire(conn, command.wire)
    change = await set_wire(conn, subnet.id, wire["id"], _ROLES[command.policy], envelope.time)
    told = len(out)
    event = await _event(conn, subnet, wire["id"], change)
    if event is not None:
        out.add(event, subnet.id, wire["id"], cause=envelope)
    dirty = await affected(conn, subnet, envelope)
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    role = await conn.fetchval(
        "SELECT role FROM ipam.subnet_wire WHERE subnet_id = $1 AND wire_id = $2", subnet.id, wire["id"]
    )
    return {
        "subnet": str(subnet.id),
        "wire": str(wire["id"]),
        "before": change.before,
        "role": role,
        "events": len(out) - told,
    }


async def _event(
    conn: Connection, subnet: Subnet, wire: UUID, change: RoleChange
) -> SubnetWireAttached | SubnetWireDetached | None:
    wires = await read_wires(conn, [wire])
    if change.after == "pinned" and change.before != "pinned":
        view = SubnetView(
            subnet.id, subnet.scope_id, subnet.name, subnet.prefix, subnet.gateway, subnet.default_wire
        )
        witnesses = await read_witnesses(conn, {(subnet.id, wire): view})
        return attached_event(view, wire, wires, "pinned", witnesses.get((subnet.id, wire), ()))
    if change.before in _USED and change.after not in _USED:
        return SubnetWireDetached(
            subnet=subnet.id,
            subnet_name=subnet.name,
            wire=wire,
            wire_name=wires[wire].name,
            vcenter=wires[wire].vcenter,
            how="denied" if change.after == "denied" else "unpinned",
        )
    return None

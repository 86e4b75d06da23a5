"""`command.wire.set_mapping`: what counts as one network in a vCenter, and the way from one idea to another.

Some come from a scheme in which a wire is a virtual switch and a subnet is found by the port group's VLAN id.
With the mapping `switch` it is so here: a subnet is used from all port groups of its default wire's switch
that carry its VLAN. Back at `portgroup`, wires that carry records by this are pinned, so that none changes.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.announcing import Announcements
from services.allocator.attaching import attached_event
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.settling import Policy, settle
from services.allocator.views import read_subnets, read_wires
from services.allocator.witnesses import read_current
from shared.events.envelope import Envelope
from shared.events.wire_commands import WireSetMapping
from shared.events.wire_decisions import WireMapping, WireMappingChanged, WirePinned
from shared.ipam.subnets import set_wire
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection


async def set_mapping(
    conn: Connection, envelope: Envelope[Any], command: WireSetMapping, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Decide on the mapping of a vCenter, and match all that is seen in it anew.

    Raises `PermanentError` vcenter_unknown.
    """
    vcenter = await conn.fetchrow("SELECT id, name FROM inventory.vcenter WHERE id = $1", command.vcenter)
    if vcenter is None:
        raise PermanentError(
            f"nothing was heard of vCenter {command.vcenter} yet",
            code="vcenter_unknown",
            hint="wait for its first snapshot: patchbay status",
        )
    before = await read_mapping(conn, command.vcenter)
    told = len(out)
    pinned: list[WirePinned] = []
    if before != command.mapping:
        if command.mapping == "portgroup" and command.keep:
            pinned = await _pin_what_is_used(conn, envelope, out, policy)
        await _store(conn, command.vcenter, command.mapping, envelope)
        event = WireMappingChanged(
            vcenter=command.vcenter,
            vcenter_name=vcenter["name"],
            mapping=command.mapping,
            before=before,
            pinned=tuple(pinned),
            by=command.by,
        )
        out.add(event, command.vcenter, cause=envelope)
        await settle(conn, await _all_of(conn, command.vcenter), Occasion([envelope]), out, policy)
    return {
        "vcenter": str(command.vcenter),
        "mapping": command.mapping,
        "before": before,
        "pinned": [one.model_dump(mode="json") for one in pinned],
        "events": len(out) - told,
    }


async def read_mapping(conn: Connection, vcenter: UUID) -> WireMapping:
    """What counts as one network in a vCenter."""
    known = await conn.fetchval("SELECT mapping FROM inventory.wire_mapping WHERE vcenter_id = $1", vcenter)
    return "switch" if known == "switch" else "portgroup"


async def apply_mapping(conn: Connection, envelope: Envelope[WireMappingChanged]) -> Dirty:
    """Make a mapping hold again that its event tells of; nothing, if a later one holds already."""
    fact = envelope.data
    stored = await _store(conn, fact.vcenter, fact.mapping, envelope)
    return await _all_of(conn, fact.vcenter) if stored else Dirty()


async def _store(conn: Connection, vcenter: UUID, mapping: WireMapping, envelope: Envelope[Any]) -> bool:
    done: str = await conn.execute(
        """
        INSERT INTO inventory.wire_mapping AS m (vcenter_id, mapping, since, by) VALUES ($1, $2, $3, $4)
        ON CONFLICT (vcenter_id) DO UPDATE
        SET mapping = excluded.mapping, since = excluded.since, by = excluded.by
        WHERE m.since < excluded.since
        """,
        *(vcenter, mapping, envelope.time, envelope.data.by),
    )
    return not done.endswith(" 0")


async def _pin_what_is_used(
    conn: Connection, envelope: Envelope[Any], out: Announcements, policy: Policy
) -> list[WirePinned]:
    """Pin the wires that carry records of a subnet by nothing but the mapping."""
    rows: list[Record] = await conn.fetch(
        """
        SELECT DISTINCT m.subnet_id, m.wire_id FROM inventory.mapped_wire m
        JOIN inventory.nic n ON n.wire_id = m.wire_id AND n.vcenter_id = $1
        JOIN inventory.nic_address a ON a.nic_id = n.id AND a.subnet_id = m.subnet_id
        ORDER BY 1, 2
        """,
        envelope.data.vcenter,
    )
    subnets = await read_subnets(conn, {row["subnet_id"] for row in rows})
    wires = await read_wires(conn, {row["wire_id"] for row in rows})
    by, pinned = envelope.data.by, []
    for subnet_id, wire_id in rows:
        subnet, wire = subnets[subnet_id], wires[wire_id]
        change = await set_wire(conn, subnet_id, wire_id, "pinned", envelope.time, by=by)
        seen = (await read_current(conn, {(subnet_id, wire_id): subnet}, policy.weight)).values()
        event = attached_event(
            subnet, wire, "pinned", seen=[w for several in seen for w in several],
            before=change.before, since=envelope.time, by=by,
        )  # fmt: skip
        out.add(event, subnet_id, wire_id, cause=envelope)
        pinned.append(
            WirePinned(subnet=subnet_id, subnet_name=subnet.name, wire=wire_id, wire_name=wire.name)
        )
    return pinned


async def _all_of(conn: Connection, vcenter: UUID) -> Dirty:
    """All VMs of a vCenter: any of them may be on a port group of a switch that a subnet is on."""
    rows = await conn.fetch(
        "SELECT DISTINCT vm_id FROM inventory.vm WHERE vcenter_id = $1 AND vm_id IS NOT NULL", vcenter
    )
    return Dirty(vms={row["vm_id"] for row in rows}, vcenters={vcenter})


COMMANDS: Commands = {WireSetMapping: set_mapping}

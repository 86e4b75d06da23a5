"""`command.vm.fix_nics`: an operator states the addresses of a VM's ports, all or nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.domain.fixes import Device, assign_ports
from services.allocator.domain.matching import SubnetView, match
from services.allocator.domain.reports import UNPLACED
from services.allocator.finding import find_vm
from services.allocator.naming import party_sentence, read_parties
from services.allocator.settling import Policy, settle
from services.allocator.tables import STATEMENT
from services.allocator.views import read_on_wires, read_wires
from shared.events.commands import VmFixNics
from shared.events.envelope import Envelope
from shared.ipam.domain import Holder
from shared.ipam.ledger import holders
from shared.model.identifiers import nic_id, port_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection


@dataclass(frozen=True, slots=True)
class _Fix:
    port: Record
    address: str
    subnet: SubnetView


async def fix_nics(
    conn: Connection, envelope: Envelope[Any], command: VmFixNics, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Record the stated addresses. A port that is named loses what was stated for it before.

    Raises `PermanentError`: vm_unknown, vm_ambiguous, vm_removed, port_unknown, port_ambiguous,
    too_many_addresses, address_twice, wire_unknown, no_subnet_on_wire, ambiguous, denied, link_local,
    address_not_allocatable, address_taken.
    """
    vm = await find_vm(conn, command.vm)
    ports = await conn.fetch("SELECT * FROM inventory.port WHERE vm_id = $1 ORDER BY device_key", vm)
    if not ports:
        raise PermanentError(f"VM {command.vm!r} is gone, or has no network device", code="vm_removed")
    by_key = {p["device_key"]: p for p in ports}
    devices = [Device(key, p["label"], p["mac"]) for key, p in by_key.items()]
    assigned = assign_ports(devices, command.fixes)
    fixes = [await _checked(conn, by_key[device.key], address) for device, address in assigned]
    for fix in fixes:
        await _refuse_taken(conn, fix)
    touched = {fix.port["id"] for fix in fixes}
    before = await conn.fetch(
        "DELETE FROM inventory.statement WHERE port_id = ANY ($1::uuid[]) AND source = 'fixed' "
        "RETURNING host(address)",
        list(touched),
    )
    await STATEMENT.upsert(
        conn,
        [
            (f.port["id"], f.address, "fixed", vm, f.port["device_key"], f.subnet.scope, f.subnet.id, None,
             command.by, envelope.time)
            for f in fixes
        ],
    )  # fmt: skip
    dirty = Dirty(addresses={r[0] for r in before} | {f.address for f in fixes}, ports=touched)
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    return {
        "vm": str(vm),
        "nics": [
            {
                "nic": str(nic_id(vm, f.port["device_key"])),
                "device_key": f.port["device_key"],
                "label": f.port["label"],
                "address": f.address,
                "subnet": str(f.subnet.id),
                "subnet_name": f.subnet.name,
            }
            for f in fixes
        ],
    }


async def _checked(conn: Connection, port: Record, address: str) -> _Fix:
    """The fix with its subnet, found as for a sighting: on the port's own wire."""
    wire: UUID | None = port["wire_id"]
    names = {} if wire is None else await read_wires(conn, [wire])
    known = wire is not None and wire in names and names[wire].usable
    on_wire = (await read_on_wires(conn, [wire])).get(wire, []) if wire is not None else []
    matched = match(address, port["device_key"], known, on_wire, None)
    where = f"wire {names[wire].name!r}" if wire is not None and known else "an unknown wire"
    if matched.subnet is None:
        code = matched.verdict or "no_subnet_on_wire"
        named = ", ".join(repr(s.name) for s in matched.subnets)
        raise PermanentError(
            f"{address} can't be on {port['label']!r}, which is on {where}: "
            + {
                "denied": f"an operator denied the wire for subnet {named}",
                "ambiguous": f"the subnets {named} fit equally well",
                "link_local": "it is a link-local address",
                "wire_unknown": "its network is not known",
            }.get(code, "no subnet used from it contains the address"),
            code=code,
            hint="create the subnet on this wire, or pin the wire to it with: patchbay subnet set-wire",
        )
    subnet = matched.subnet
    ip, prefix = ipaddress.ip_address(address), subnet.prefix
    wide = prefix.num_addresses > 2
    if wide and (ip == prefix.network_address or (ip.version == 4 and ip == prefix.broadcast_address)):
        raise PermanentError(
            f"{address} is the network or broadcast address of subnet {subnet.name!r} ({prefix})",
            code="address_not_allocatable",
        )
    return _Fix(port, address, subnet)


async def _refuse_taken(conn: Connection, fix: _Fix) -> None:
    held = (await holders(conn, fix.subnet.scope, [fix.address])).get(fix.address)
    own: Sequence[Holder] = (
        Holder("nic", nic_id(fix.port["vm_id"], fix.port["device_key"])),
        Holder("sighting", fix.port["id"]),
        # The VM's own, of a source that can't tell the device: stating the device is what fixes are for.
        Holder("sighting", port_id(fix.port["vm_id"], UNPLACED)),
    )
    if held is None or held.holder.kind == "cooling" or held.holder in own:
        return
    party = (await read_parties(conn, [held.holder]))[held.holder]
    raise PermanentError(
        f"{fix.address} is held by {party_sentence(party)} since {held.since:%Y-%m-%d %H:%M:%S %Z}",
        code="address_taken",
        hint="release it there first",
    )

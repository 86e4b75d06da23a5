"""`command.vm.fix_nics` and `.unfix_nics`: what an operator states for a VM's ports, all or nothing.

The command is checked against what is known now and becomes a decision, which is told as an event; the rows
follow from the event alone, so that a rebuild makes the same of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.domain.fixes import Device, assign_ports, name_port
from services.allocator.domain.matching import Match, SubnetView, match
from services.allocator.domain.reports import UNPLACED
from services.allocator.domain.sentences import SubnetNamed, party_sentence
from services.allocator.domain.ways_out import free, reach
from services.allocator.finding import find_vm
from services.allocator.fix_rows import apply_fixes
from services.allocator.naming import read_parties
from services.allocator.settling import Policy, settle
from services.allocator.views import WireName, read_on_wires, read_wires
from shared.events.commands import VmFixNics
from shared.events.envelope import Envelope, wrap
from shared.events.vm_nics import FixedAddress, FixedPort, VmNicsFixed, VmNicsUnfixed, VmUnfixNics
from shared.ipam.domain import Holder
from shared.ipam.ledger import holders
from shared.ipam.reserving import reserved_at
from shared.ipam.scopes import list_scopes, scope_name
from shared.ipam.subnets import Subnet, subnets_of_addresses
from shared.model.command_line import typed
from shared.model.identifiers import DEFAULT_SCOPE_NAME, derive, nic_id, port_id, scope_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection


@dataclass(frozen=True, slots=True)
class _Fix:
    port: Record
    address: str
    subnet: SubnetView


@dataclass(frozen=True, slots=True)
class _Vm:
    """A VM with its ports by device key, and what is fixed for each now."""

    row: Record
    ports: dict[int, Record]
    fixed: dict[int, list[str]]

    @property
    def devices(self) -> list[Device]:
        return [Device(key, p["label"], p["mac"]) for key, p in self.ports.items()]


async def fix_nics(
    conn: Connection, envelope: Envelope[Any], command: VmFixNics, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Record the stated addresses. A port that is named loses what was stated for it before.

    Raises `PermanentError`: vm_unknown, vm_ambiguous, vm_removed, port_unknown, port_ambiguous,
    too_many_addresses, address_twice, wire_unknown, no_subnet_on_wire, ambiguous, denied, link_local,
    address_not_allocatable, address_taken.
    """
    vm = await _read_vm(conn, command.vm)
    assigned = assign_ports(vm.devices, command.fixes)
    fixes = [await _checked(conn, vm.ports[device.key], address) for device, address in assigned]
    for fix in fixes:
        await _refuse_taken(conn, fix)
    by_key: dict[int, list[_Fix]] = {}
    for fix in fixes:
        by_key.setdefault(fix.port["device_key"], []).append(fix)
    ports = await _ports(conn, vm, by_key)
    decision = VmNicsFixed(**_decided(vm, envelope), ports=ports)
    await _carry_out(conn, decision, envelope, out, policy)
    return _result(decision)


async def unfix_nics(
    conn: Connection, envelope: Envelope[Any], command: VmUnfixNics, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Take back what was stated for the named ports, or for all.

    Raises `PermanentError`: vm_unknown, vm_ambiguous, vm_removed, port_unknown, port_ambiguous, not_fixed.
    """
    vm = await _read_vm(conn, command.vm)
    named = [name_port(vm.devices, name) for name in command.ports]
    if idle := [d for d in named if d.key not in vm.fixed]:
        raise PermanentError(
            f"nothing is stated for {idle[0].label!r} ({idle[0].key}) of VM {vm.row['name']!r}",
            code="not_fixed",
            hint=f"see what is with: {typed('vm', 'show', vm.row['name'])}",
        )
    keys = {d.key for d in named} or vm.fixed.keys()
    if not keys:
        raise PermanentError(f"nothing is stated for any port of VM {vm.row['name']!r}", code="not_fixed")
    ports = await _ports(conn, vm, {key: [] for key in sorted(keys)})
    decision = VmNicsUnfixed(**_decided(vm, envelope), ports=ports)
    await _carry_out(conn, decision, envelope, out, policy)
    return _result(decision)


async def _carry_out(
    conn: Connection,
    decision: VmNicsFixed | VmNicsUnfixed,
    envelope: Envelope[Any],
    out: Announcements,
    policy: Policy,
) -> None:
    told = wrap(decision, source="allocator", time=envelope.time, cause=envelope)
    out.add(decision, decision.id, cause=envelope)
    await settle(conn, await apply_fixes(conn, told), Occasion([envelope]), out, policy)


def _decided(vm: _Vm, envelope: Envelope[Any]) -> dict[str, Any]:
    return {
        "id": derive("fix", envelope.id),
        "vcenter": vm.row["vcenter_id"],
        "vm": vm.row["vm_id"],
        "vm_moid": vm.row["moid"],
        "vm_name": vm.row["name"],
        "by": envelope.data.by,
        "at": envelope.time,
    }


async def _ports(conn: Connection, vm: _Vm, fixes: dict[int, list[_Fix]]) -> tuple[FixedPort, ...]:
    scopes = await list_scopes(conn)
    wires = await read_wires(conn, [p["wire_id"] for p in vm.ports.values() if p["wire_id"] is not None])
    return tuple(
        _port(vm, vm.ports[key], wires.get(vm.ports[key]["wire_id"]), fixes[key], scopes)
        for key in sorted(fixes)
    )


def _port(
    vm: _Vm, port: Record, wire: WireName | None, fixes: Sequence[_Fix], scopes: dict[UUID, str]
) -> FixedPort:
    return FixedPort(
        port=port["id"],
        nic=nic_id(port["vm_id"], port["device_key"]),
        device_key=port["device_key"],
        label=port["label"],
        mac=port["mac"],
        wire=port["wire_id"],
        wire_name=None if wire is None else wire.name,
        addresses=tuple(
            FixedAddress(
                address=f.address,
                prefix=f.subnet.prefix.prefixlen,
                scope=scopes[f.subnet.scope],
                subnet=f.subnet.id,
                subnet_name=f.subnet.name,
            )
            for f in sorted(fixes, key=lambda f: f.address)
        ),
        before=tuple(vm.fixed.get(port["device_key"], ())),
    )


def _result(decision: VmNicsFixed | VmNicsUnfixed) -> dict[str, Any]:
    return {
        "vm": str(decision.vm),
        "vm_name": decision.vm_name,
        "decision": str(decision.id),
        "ports": [port.model_dump(mode="json") for port in decision.ports],
    }


async def _read_vm(conn: Connection, named: str) -> _Vm:
    identity = await find_vm(conn, named)
    ports = await conn.fetch(
        "SELECT * FROM inventory.port WHERE vm_id = $1 AND detached_at IS NULL ORDER BY device_key", identity
    )
    if not ports:
        raise PermanentError(f"VM {named!r} is gone, or has no network device", code="vm_removed")
    row = await conn.fetchrow(
        "SELECT vm_id, vcenter_id, moid, coalesce(name, moid) AS name FROM inventory.vm "
        "WHERE vcenter_id = $1 AND moid = $2",
        ports[0]["vcenter_id"],
        ports[0]["vm_moid"],
    )
    assert row is not None  # noqa: S101  a port belongs to a VM
    stated = await conn.fetch(
        """
        SELECT t.device_key, host(t.address) AS address FROM inventory.statement t
        WHERE t.vm_id = $1 AND t.source = 'fixed' AND t.ended_at IS NULL AND NOT EXISTS (
            SELECT FROM inventory.vm v WHERE v.vm_id = $1 AND NOT v.removed AND v.gone_at >= t.at
        )
        ORDER BY t.address
        """,
        identity,
    )
    fixed: dict[int, list[str]] = {}
    for said in stated:
        fixed.setdefault(said["device_key"], []).append(said["address"])
    return _Vm(row, {p["device_key"]: p for p in ports}, fixed)


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
            hint=await _way_in(conn, port, address, matched),
        )
    subnet = matched.subnet
    ip, prefix = ipaddress.ip_address(address), subnet.prefix
    wide = prefix.num_addresses > 2
    if wide and (ip == prefix.network_address or (ip.version == 4 and ip == prefix.broadcast_address)):
        raise PermanentError(
            f"{address} is the network or broadcast address of subnet {subnet.name!r} ({prefix})",
            code="address_not_allocatable",
            hint="state one of the addresses in between",
        )
    return _Fix(port, address, subnet)


async def _way_in(conn: Connection, port: Record, address: str, matched: Match) -> str:
    """What makes the address possible on the port, as a command."""
    home = await conn.fetchval("SELECT scope_id FROM inventory.vcenter WHERE id = $1", port["vcenter_id"])
    found = await subnets_of_addresses(conn, home or scope_id(DEFAULT_SCOPE_NAME), [address])
    around = found.get(address)
    wires = {port["wire_id"], *(s.default_wire for s in matched.subnets)} - {None}
    names = await read_wires(conn, wires | ({around.default_wire} if around is not None else set()))
    scopes = await list_scopes(conn)

    def named(subnet: SubnetView | Subnet, scope: str) -> SubnetNamed:
        wire = names.get(subnet.default_wire)
        there = str(subnet.default_wire) if wire is None else wire.name
        here = subnet.default_wire == port["wire_id"]
        return SubnetNamed(subnet.name, str(subnet.prefix), there, scope, here=here)

    on = names.get(port["wire_id"])
    return reach(
        matched.verdict or "no_subnet_on_wire",
        None if on is None else on.name,
        [named(s, scopes[s.scope]) for s in matched.subnets],
        None if around is None else named(around, around.scope),
        scopes.get(home, DEFAULT_SCOPE_NAME),
    )


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
    said = (await reserved_at(conn, [fix.address])).get((fix.subnet.scope, fix.address))
    bound_to = None if said is None or held.holder.kind != "reserved" else said.mac
    if bound_to is not None and bound_to == fix.port["mac"]:
        return
    party = (await read_parties(conn, [held.holder]))[held.holder]
    raise PermanentError(
        f"{fix.address} is held by {party_sentence(party)} since {held.since:%Y-%m-%d %H:%M:%S %Z}",
        code="address_taken",
        hint=free(party, fix.address, await scope_name(conn, fix.subnet.scope), bound_to),
    )

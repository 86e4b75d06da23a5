"""One line for each event type: what a person wants to know of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from shared.events import address, commands, guest, inventory, nic, placement, subnet, vcenter, wire
from shared.events.base import Event

Sentence = Callable[[Event], str]


def addresses_of(record: nic.NicFacts) -> str:
    """The record's addresses with prefix lengths, or a dash."""
    return ", ".join(f"{a.address}/{a.prefix}" for a in record.addresses) or "-"


def port_name(label: str) -> str:
    """A device's label, with vSphere's usual one shortened: "Network adapter 1" is "NIC 1"."""
    return label.replace("Network adapter", "NIC")


def vlan_text(vlan: inventory.Vlan) -> str:
    """A VLAN as operators write it."""
    match vlan:
        case inventory.VlanId(id=number):
            return str(number)
        case inventory.VlanTrunk(ranges=ranges):
            return "trunk " + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
        case inventory.VlanPrivate(id=number):
            return f"private {number}"
        case inventory.VlanUnknown():
            return "unknown"
        case _:
            return "none"


@singledispatch
def sentence(event: Event) -> str:
    """What `event` says, in one line without its type and time."""
    return event.subject_of()


@sentence.register
def _(event: vcenter.VcenterConnected) -> str:
    return f"{event.name}: {event.product}, epoch {event.epoch}"


@sentence.register
def _(event: vcenter.VcenterLost) -> str:
    return f"{event.name}: {event.cause.replace('_', ' ')}: {event.detail}"


@sentence.register
def _(event: vcenter.VcenterHeartbeat) -> str:
    return f"{event.name}: current to {event.current_to:%H:%M:%S}, lag {event.lag_seconds:.3f} s"


@sentence.register
def _(event: inventory.SnapshotStarted) -> str:
    return f"epoch {event.epoch}"


@sentence.register
def _(event: inventory.SnapshotCompleted) -> str:
    return f"epoch {event.epoch}: {_counts(event.counts)}; swept {_counts(event.swept)}"


@sentence.register
def _(event: inventory.SnapshotHeld) -> str:
    return f"missing {_counts(event.missing)} of {_counts(event.known)}; {event.release}"


def _counts(counts: dict[inventory.Kind, int]) -> str:
    return ", ".join(f"{n} {kind}{'s' if n != 1 else ''}" for kind, n in counts.items() if n) or "nothing"


@sentence.register
def _(event: inventory.HostChanged) -> str:
    state = event.connection.replace("_", " ") + (", maintenance" if event.maintenance else "")
    return f"{event.name} ({event.moid}) {state}"


@sentence.register
def _(event: inventory.SwitchChanged) -> str:
    return f"{event.name} ({event.moid}) on {len(event.hosts)} hosts"


@sentence.register
def _(event: inventory.PortgroupChanged) -> str:
    return f"{event.name} ({event.moid}) VLAN {vlan_text(event.vlan)}" + (" uplinks" if event.uplink else "")


@sentence.register
def _(event: inventory.VmChanged) -> str:
    ports = len(event.ports)
    return f"{event.name} ({event.moid}) power {event.power}, {ports} port{'s' if ports != 1 else ''}"


@sentence.register
def _(event: inventory.HostRemoved | inventory.SwitchRemoved | inventory.PortgroupRemoved) -> str:
    return f"{event.name or '?'} ({event.moid}) {event.how}"


@sentence.register
def _(event: inventory.VmRemoved) -> str:
    return f"{event.name or '?'} ({event.moid}) {event.how}"


@sentence.register
def _(event: guest.GuestAddressesChanged) -> str:
    seen = [a.address for port in event.ports for a in port.addresses]
    state = event.tools.replace("_", " ")
    return f"{event.hostname or event.moid} Tools {state}: {', '.join(seen) or 'no address'}"


@sentence.register
def _(event: wire.WireCreated | wire.WireRetired) -> str:
    return f"{event.wire.name} ({event.wire.network}) VLAN {vlan_text(event.wire.vlan)}"


@sentence.register
def _(event: wire.WireRenamed) -> str:
    return f"{event.before} → {event.wire.name} ({event.wire.network})"


@sentence.register
def _(event: subnet.SubnetCreated | subnet.SubnetUpdated | subnet.SubnetDeleted) -> str:
    return f"{event.subnet.name} {event.subnet.prefix}"


@sentence.register
def _(event: subnet.SubnetWireAttached) -> str:
    shown = ", ".join(f"{e.address} on {e.vm_name}" for e in event.evidence[:2])
    return f"{event.subnet_name} also on {event.wire_name}, {event.how}" + (f": {shown}" if shown else "")


@sentence.register
def _(event: subnet.SubnetWireDetached) -> str:
    return f"{event.subnet_name} no longer on {event.wire_name}: {event.how.replace('_', ' ')}"


@sentence.register
def _(event: nic.NicCreated) -> str:
    return f"{_port_of(event.nic)}: {addresses_of(event.nic)} on {event.nic.wire_name}"


@sentence.register
def _(event: nic.NicUpdated) -> str:
    before, after = addresses_of(event.before), addresses_of(event.nic)
    change = f"{before} → {after}" if before != after else after
    if event.before.wire != event.nic.wire:
        change += f", {event.before.wire_name} → {event.nic.wire_name}"
    return f"{_port_of(event.nic)}: {change}"


@sentence.register
def _(event: nic.NicReleased) -> str:
    return f"{_port_of(event.nic)}: {addresses_of(event.nic)}, {event.reason.replace('_', ' ')}"


def _port_of(record: nic.NicFacts) -> str:
    return f"{record.vm_name} {port_name(record.label)}"


@sentence.register
def _(event: address.AddressUnmatched) -> str:
    return f"{event.sighting.vm_name}: {event.explanation}"


@sentence.register
def _(event: address.AddressMatched) -> str:
    return f"{event.sighting.address} on {event.sighting.vm_name}: {event.outcome}"


@sentence.register
def _(event: address.ConflictOpened) -> str:
    return f"{event.address}: {_party(event.holder)} keeps it, {_party(event.claimant)} claims it"


@sentence.register
def _(event: address.ConflictResolved) -> str:
    return f"{event.address}: {event.outcome}"


def _party(party: address.Party) -> str:
    return party.vm_name or f"{party.kind} {party.id}"


@sentence.register
def _(event: placement.VmCreateRequested) -> str:
    return (
        f"{event.name}: {event.cpus} CPUs, {event.memory_mb} MiB, {len(event.nics)} NICs ({event.request_id})"
    )


@sentence.register
def _(event: placement.VmCreatePlaced) -> str:
    found = ", ".join(a.address for n in event.nics for a in n.addresses)
    return f"{event.name} on {event.host_name}: {found or 'no address'}"


@sentence.register
def _(event: placement.VmCreateRefused) -> str:
    return f"{event.request_id}: {event.reason}"


@sentence.register
def _(event: placement.VmCreateConfirmed) -> str:
    late = ", after it had expired" if event.late else ""
    return f"{event.vm_name} ({event.vm_moid}), recognised by {event.recognised_by}{_whom(event.by)}{late}"


@sentence.register
def _(event: placement.VmCreateBatchRequested) -> str:
    return f"{len(event.requests)} VMs, {event.mode.replace('_', ' ')} ({event.batch_id})"


@sentence.register
def _(event: placement.VmCreateBatchAnswered) -> str:
    return f"{event.batch_id}: {event.reason}"


@sentence.register
def _(event: placement.VmCreateExtended) -> str:
    return f"{event.request_id}: held until {event.expires_at:%Y-%m-%d %H:%M:%S} UTC{_whom(event.by)}"


@sentence.register
def _(event: placement.VmCreateVerified) -> str:
    seen = ", ".join(address for check in event.nics for address in check.seen)
    return f"{event.request_id}: {event.vm_moid} uses what was reserved for it: {seen}"


@sentence.register
def _(event: placement.VmCreateDrifted) -> str:
    reserved = ", ".join(address for check in event.nics for address in check.reserved)
    seen = ", ".join(address for check in event.nics for address in check.seen)
    return f"{event.request_id}: {event.vm_moid} uses {seen or 'no address'}, reserved: {reserved}"


@sentence.register
def _(event: placement.VmCreateCancelled) -> str:
    return event.request_id + (f": {event.note}" if event.note else "") + _whom(event.by)


@sentence.register
def _(event: placement.VmCreateExpired) -> str:
    resting = ", ".join(rest.address for rest in event.resting)
    return event.request_id + (f": {resting} rest until they are given to others" if resting else "")


def _whom(by: str | None) -> str:
    return f" (by {by})" if by else ""


@sentence.register
def _(event: commands.CommandReplied) -> str:
    if event.complaint is not None:
        return f"{event.command}: {event.complaint.message}"
    return f"{event.command}: done"

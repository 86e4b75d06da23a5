"""What people who build on the events want to know of each type: why it exists, what to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Guidance(NamedTuple):
    """`why`: what leads to it, and what for. `do`: what a consumer does with it, or what a sender gets."""

    why: str
    do: str


_KEEP = "Replace what you keep of the object, if `(epoch, sequence)` is greater than what you have."
_DROP = "Remove what you keep of the object, if `(epoch, sequence)` is greater than what you have."
_REPLY = "The answer on `reply_to` is one `command.replied`"

_VCENTER = {
    "vcenter.connected": Guidance(
        "The collector logged in: first start, restart, or after a loss.",
        "Show it as connected. What you know is as old as before until `inventory.snapshot.completed`.",
    ),
    "vcenter.lost": Guidance(
        "The session ended, vCenter does not answer, or the answers can't be believed; `cause` says which.",
        "Show what you have as of the last heartbeat's `current_to`. Remove nothing.",
    ),
    "vcenter.heartbeat": Guidance(
        "Sent every few seconds, so that silence can be told from rest.",
        "Keep `current_to`: your picture of this vCenter is that old. None for a minute means stale.",
    ),
}

_INVENTORY = {
    "inventory.snapshot.started": Guidance(
        "Every login begins with a full read, and so does a resync.",
        "Nothing to be done: the facts that follow are full states, and what is gone is removed one by one.",
    ),
    "inventory.snapshot.completed": Guidance(
        "The full read is published, the removals of what it did not contain included.",
        "Your picture of this vCenter is whole from here on. `counts` lets you check yours.",
    ),
    "inventory.snapshot.held": Guidance(
        "A read without many known objects is more often a matter of rights than of removals.",
        "Tell an operator; `release` says what to do. Everything known stays until then.",
    ),
    "inventory.host.changed": Guidance("A host appeared, or one of these fields changed.", _KEEP),
    "inventory.host.removed": Guidance("The vCenter reports it, or a completed snapshot lacks it.", _DROP),
    "inventory.switch.changed": Guidance("A switch appeared, or one of these fields changed.", _KEEP),
    "inventory.switch.removed": Guidance("The vCenter reports it, or a completed snapshot lacks it.", _DROP),
    "inventory.portgroup.changed": Guidance("A port group appeared, or one of these fields changed.", _KEEP),
    "inventory.portgroup.removed": Guidance(
        "The vCenter reports it, or a completed snapshot lacks it.", _DROP
    ),
    "inventory.vm.changed": Guidance(
        "A VM appeared, or one of these fields changed; a vMotion changes `host`.", _KEEP
    ),
    "inventory.vm.removed": Guidance("The vCenter reports it, or a completed snapshot lacks it.", _DROP),
    "guest.addresses.changed": Guidance(
        "VMware Tools reported addresses, or stopped reporting.",
        f"{_KEEP} With `tools` other than `running` keep the addresses you had: silence takes nothing back.",
    ),
}

_WIRES = {
    "wire.created": Guidance(
        "The allocator saw the port group for the first time.", "Add the wire by its `id`."
    ),
    "wire.renamed": Guidance(
        "Somebody renamed the port group; `before` is the old name.", "Show the new name; the `id` stays."
    ),
    "wire.retired": Guidance(
        "The port group was removed.",
        "Stop offering the wire for new VMs; records on it end with their ports.",
    ),
    "wire.rebind.offered": Guidance(
        "A port group was made again where one is gone that subnets still name: same switch, name and VLAN.",
        "Ask somebody to run `patchbay wire rebind OLD NEW`; nothing changed yet.",
    ),
    "wire.rebound": Guidance(
        "`command.wire.rebind` was carried out.",
        "Use `wire` where you used `instead_of`; the subnets and records concerned have events of their own.",
    ),
    "wire.mapping.changed": Guidance(
        "`command.wire.set_mapping` was carried out.",
        "Expect NIC records and subnets' wires of that vCenter to change; their events follow.",
    ),
    "subnet.created": Guidance("`command.subnet.create` was carried out.", "Add the subnet by its `id`."),
    "subnet.updated": Guidance(
        "`command.subnet.update` was carried out; `before` is the old state.",
        "Replace it, if `revision` is greater than what you have.",
    ),
    "subnet.deleted": Guidance("`command.subnet.delete` was carried out.", "Remove the subnet."),
    "subnet.split": Guidance(
        "`command.subnet.split` was carried out.",
        "Replace the subnet by the `parts`. Records keep their ids; `nic.updated` tells each one's subnet.",
    ),
    "subnet.merged": Guidance(
        "`command.subnet.merge` was carried out.",
        "Replace the subnet and remove those in `merged`. Records keep their ids, `nic.updated` tells them.",
    ),
    "subnet.moved": Guidance(
        "`command.subnet.move` was carried out.",
        "Offer the subnet on `default_wire` and on those of `wires` that are detected or pinned.",
    ),
    "subnet.wire.attached": Guidance(
        "VMs on that wire use the subnet's addresses, or an operator pinned the wire.",
        "Offer the subnet on this wire, too. With `detected` somebody may want to see the evidence.",
    ),
    "subnet.wire.detached": Guidance(
        "The evidence ended, or an operator said no, or took a pin or a denial back: see `how`.",
        "Stop offering the subnet on this wire.",
    ),
}

_RECORDS = {
    "nic.created": Guidance(
        "A sighting, a fix or a confirmed reservation gave the port its first address.",
        "Put `nic` into your table under `nic.id`.",
    ),
    "nic.updated": Guidance(
        "Any field of the record changed; `before` is the old state.",
        "Put `nic` into your table under `nic.id`.",
    ),
    "nic.released": Guidance(
        "The VM or its port was removed, or its address went; `reason` says which.",
        "Remove `nic.id` from your table. The addresses are not handed out again before their cooldown.",
    ),
    "vm.nics.fixed": Guidance(
        "An operator stated addresses of a VM's ports.",
        "For the record: `nic.*` tells what came of it. A port's `addresses` are all that is fixed now.",
    ),
    "vm.nics.unfixed": Guidance(
        "An operator took back what was stated for a VM's ports.",
        "For the record: `nic.*` tells what came of it.",
    ),
    "address.unmatched": Guidance(
        "No subnet fits, several do, or another holds the address; `verdict` says which.",
        "Show `explanation` to who runs the network: it names the next step.",
    ),
    "address.matched": Guidance("What stood in the way is gone, or the address is.", "Take it off the list."),
    "address.conflict.opened": Guidance(
        "Two ports use one address, or one uses what is reserved for another.",
        "Alert: `holder` keeps the address, `claimant` has to change.",
    ),
    "address.conflict.resolved": Guidance(
        "One of the two left, or changed its address.", "End the alert with this `id`."
    ),
    "address.shared": Guidance(
        "`command.address.share` was carried out.",
        "Show the address as shared: it belongs to no NIC record, and is not handed out.",
    ),
    "address.unshared": Guidance(
        "`command.address.unshare` was carried out.",
        "For the record: `nic.*` and `address.conflict.*` tell what came of it.",
    ),
    "address.reserved": Guidance(
        "`command.address.reserve` was carried out.", "Show the addresses as kept out of use."
    ),
    "address.unreserved": Guidance(
        "`command.address.release` was carried out, or the end of the reservation came; `why` says which.",
        "Show the addresses as free, unless something else holds them.",
    ),
    "address.bound": Guidance(
        "`command.address.bind` was carried out.", "Show the address as kept for the MAC."
    ),
    "address.unbound": Guidance(
        "`command.address.unbind` was carried out.", "The address is like any other of its subnet again."
    ),
}

_PLACEMENT = {
    "vm.create.requested": Guidance(
        "Sent by a provisioning system, before it creates a VM.",
        "Choose a `request_id` and keep it over retries: it gets the same answer each time, never a second "
        "reservation. Set `reply_to`, or bind to the answers.",
    ),
    "vm.create.placed": Guidance(
        "Placement found a place and holds it.",
        "Create the VM with this host, these port groups and addresses, and `annotation` in its notes, "
        "before `expires_at`; extend the reservation if that takes longer.",
    ),
    "vm.create.refused": Guidance(
        "Nothing fits; each ruling names what ruled out a host or a subnet.",
        "Show `reason`. Asking again with the same `request_id` gets the same answer: use a new one.",
    ),
    "vm.create.batch.requested": Guidance(
        "Sent by a provisioning system that wants several VMs placed in view of each other.",
        "As with a single request; `batch_id` is the key, and each request in it has its own.",
    ),
    "vm.create.batch.answered": Guidance(
        "Placement decided on all of the batch.", "As with the single answers."
    ),
    "vm.create.confirmed": Guidance(
        "The collector saw the VM, or a command said that it exists.",
        "The reservation is used; nothing more to do. `recognised_by` tells how the VM was known.",
    ),
    "vm.create.extended": Guidance(
        "`command.reservation.extend` was carried out.",
        "Use the new `token` from now on, and the new `expires_at`.",
    ),
    "vm.create.verified": Guidance("The guest is up and uses what was reserved.", "Call the VM ready."),
    "vm.create.drifted": Guidance(
        "The guest uses other addresses than reserved: a wrong template, or somebody at the console.",
        "Compare `reserved` and `seen` of each NIC, and repair the guest.",
    ),
    "vm.create.cancelled": Guidance(
        "`command.reservation.cancel` was carried out.", "Forget the reservation; create nothing with it."
    ),
    "vm.create.expired": Guidance(
        "No VM was seen before `expires_at`.", "Create nothing with it; ask again under a new `request_id`."
    ),
}

_COMMANDS = {
    "command.subnet.create": Guidance(
        "Sent by an operator or by automation.", f"{_REPLY} with the subnet; `subnet.created` goes to all."
    ),
    "command.subnet.update": Guidance(
        "Sent by an operator or by automation.", f"{_REPLY} with the subnet; `subnet.updated` goes to all."
    ),
    "command.subnet.delete": Guidance(
        "Sent by an operator or by automation.", f"{_REPLY}; a complaint names what still uses the subnet."
    ),
    "command.subnet.set_wire": Guidance(
        "Sent by an operator who knows better than the evidence.",
        f"{_REPLY}; `subnet.wire.attached` or `.detached` goes to all when it changes something.",
    ),
    "command.subnet.split": Guidance(
        "Sent by an operator who divides a network.", f"{_REPLY} with the parts; `subnet.split` goes to all."
    ),
    "command.subnet.merge": Guidance(
        "Sent by an operator who joins networks.", f"{_REPLY} with the subnet; `subnet.merged` goes to all."
    ),
    "command.subnet.move": Guidance(
        "Sent when a network moves to another port group.",
        f"{_REPLY} with the subnet; `subnet.moved` goes to all.",
    ),
    "command.address.share": Guidance(
        "Sent for virtual IPs, anycast, CARP and VRRP.",
        f"{_REPLY} with who is seen with it; `address.shared` goes to all.",
    ),
    "command.address.unshare": Guidance(
        "Sent when the address is one machine's again.", f"{_REPLY}; `address.unshared` goes to all."
    ),
    "command.address.reserve": Guidance(
        "Sent for addresses of things that no vCenter knows.",
        f"{_REPLY}; a complaint names who has the addresses. `address.reserved` goes to all, once per range.",
    ),
    "command.address.release": Guidance(
        "Sent when they are needed no more.", f"{_REPLY}; `address.unreserved` goes to all, once per range."
    ),
    "command.address.bind": Guidance(
        "Sent for a machine that must always get the same address.",
        f"{_REPLY}; a complaint names who has the address. `address.bound` goes to all.",
    ),
    "command.address.unbind": Guidance(
        "Sent when any port may have the address again.", f"{_REPLY}; `address.unbound` goes to all."
    ),
    "command.subnet.set_wires": Guidance(
        "Sent by an operator who knows of several wires at once.",
        f"{_REPLY}; all or nothing, with a `subnet.wire.attached` or `.detached` for each change.",
    ),
    "command.wire.rebind": Guidance(
        "Sent by an operator after a port group was removed and made again.",
        f"{_REPLY}; `wire.rebound` tells all, and what it did to subnets and records follows.",
    ),
    "command.wire.set_mapping": Guidance(
        "Sent by an operator who comes from, or leaves, a scheme with one network for each switch and VLAN.",
        f"{_REPLY}; `wire.mapping.changed` tells all.",
    ),
    "command.vm.fix_nics": Guidance(
        "Sent for VMs without Tools, or whose Tools report too little.",
        f"{_REPLY}; what is fixed is never overwritten by what is observed. `vm.nics.fixed` goes to all.",
    ),
    "command.vm.unfix_nics": Guidance(
        "Sent when Tools work again, or a fix was a mistake.",
        f"{_REPLY}; `vm.nics.unfixed` goes to all, and what Tools report counts again.",
    ),
    "command.reservation.confirm": Guidance(
        "Sent by a provisioning system that need not wait for the collector.",
        f"{_REPLY}; `vm.create.confirmed` goes to all.",
    ),
    "command.reservation.extend": Guidance(
        "Sent by a provisioning system whose VM takes longer, or by one that takes over.",
        f"{_REPLY}; `vm.create.extended` goes to all.",
    ),
    "command.reservation.cancel": Guidance(
        "Sent by a provisioning system that will not create the VM.",
        f"{_REPLY}; `vm.create.cancelled` goes to all.",
    ),
    "command.vcenter.resync": Guidance(
        "Sent by an operator who doubts the picture.", f"{_REPLY}; a new epoch with a snapshot follows."
    ),
    "command.vcenter.pause": Guidance(
        "Sent before work on the vCenter.", f"{_REPLY}; `vcenter.lost` follows."
    ),
    "command.vcenter.resume": Guidance("Sent after it.", f"{_REPLY}; `vcenter.connected` follows."),
    "command.vcenter.release_brake": Guidance(
        "Sent by an operator who saw that the objects are truly gone.", f"{_REPLY}; the removals follow."
    ),
    "command.replied": Guidance(
        "Every command gets one, on the queue that its `reply_to` names.",
        "Match it by AMQP's `correlation_id`. Read `result`, or show `complaint.message`.",
    ),
}

_OPERATIONS = {
    "replay.started": Guidance(
        "An operator plays events again, into one queue or a file; a resumed replay says so anew.",
        "Keep it where you keep who did what. Its messages carry `replayed` and reach that queue alone.",
    ),
    "replay.ended": Guidance(
        "It came to its end, was paused by its operator, or failed and says at what.",
        "`next` is where it would go on: `patchbay events replay --resume REPLAY`.",
    ),
    "dead_letter.retried": Guidance(
        "An operator repaired what was in the message's way, and sent it back to its queue.",
        "Keep it where you keep who did what. The message has its own id as before.",
    ),
    "dead_letter.dropped": Guidance(
        "An operator decided that nobody will handle the message; `note` says why.",
        "Keep it where you keep who did what. If it was published on the exchange, the log has it still.",
    ),
}

GUIDANCE: Mapping[str, Guidance] = MappingProxyType(
    _VCENTER | _INVENTORY | _WIRES | _RECORDS | _PLACEMENT | _COMMANDS | _OPERATIONS
)

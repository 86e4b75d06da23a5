"""Every event and command type, by name and version. The one list that codec, docs and tests read."""

from __future__ import annotations

from types import MappingProxyType

from shared.events import address, commands, guest, inventory, nic, placement, subnet, vcenter, wire
from shared.events.base import Event

EVENTS: tuple[type[Event], ...] = (
    vcenter.VcenterConnected,
    vcenter.VcenterLost,
    vcenter.VcenterHeartbeat,
    inventory.SnapshotStarted,
    inventory.SnapshotCompleted,
    inventory.SnapshotHeld,
    inventory.HostChanged,
    inventory.HostRemoved,
    inventory.SwitchChanged,
    inventory.SwitchRemoved,
    inventory.PortgroupChanged,
    inventory.PortgroupRemoved,
    inventory.VmChanged,
    inventory.VmRemoved,
    guest.GuestAddressesChanged,
    wire.WireCreated,
    wire.WireRenamed,
    wire.WireRetired,
    subnet.SubnetCreated,
    subnet.SubnetUpdated,
    subnet.SubnetDeleted,
    subnet.SubnetWireAttached,
    subnet.SubnetWireDetached,
    nic.NicCreated,
    nic.NicUpdated,
    nic.NicReleased,
    address.AddressUnmatched,
    address.AddressMatched,
    address.ConflictOpened,
    address.ConflictResolved,
    placement.VmCreateRequested,
    placement.VmCreatePlaced,
    placement.VmCreateRefused,
    placement.VmCreateBatchRequested,
    placement.VmCreateBatchAnswered,
    placement.VmCreateConfirmed,
    placement.VmCreateExtended,
    placement.VmCreateVerified,
    placement.VmCreateDrifted,
    placement.VmCreateCancelled,
    placement.VmCreateExpired,
    commands.SubnetCreate,
    commands.SubnetUpdate,
    commands.SubnetDelete,
    commands.SubnetSetWire,
    commands.VmFixNics,
    commands.ReservationConfirm,
    commands.ReservationExtend,
    commands.ReservationCancel,
    commands.VcenterResync,
    commands.VcenterPause,
    commands.VcenterResume,
    commands.VcenterReleaseBrake,
    commands.CommandReplied,
)

REGISTRY = MappingProxyType({(model.TYPE, model.VERSION): model for model in EVENTS})
TYPES = frozenset(name for name, _ in REGISTRY)

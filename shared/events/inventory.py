"""What exists in a vCenter: hosts, switches, port groups, VMs, and the snapshots that list them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Fact, Part
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress

Kind = Literal["host", "switch", "portgroup", "vm"]
KINDS: tuple[Kind, ...] = ("host", "switch", "portgroup", "vm")


class PhysicalNic(Part):
    """A host's physical adapter. `link_mbps` is None while the link is down."""

    device: str
    mac: MacAddress | None = None
    link_mbps: int | None = None
    driver: str | None = None
    pci: str | None = None


class Teaming(Part):
    """Effective use of uplinks: device names on standard switches, uplink names on distributed ones."""

    policy: str
    active: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()
    check_beacon: bool | None = None
    notify_switches: bool | None = None
    rolling_order: bool | None = None


class SecurityPolicy(Part):
    """What VMs may do on a switch, effective. None where the vCenter does not tell."""

    promiscuous: bool | None = None
    mac_changes: bool | None = None
    forged_transmits: bool | None = None


class HostUplink(Part):
    """Which physical adapter serves which uplink of a distributed switch, on one host."""

    uplink: str
    pnic: str


class HostSwitch(Part):
    """A virtual switch as it is on one host: a standard one, or its share of a distributed one.

    `teaming` and `security` are those of a standard switch, which its port groups may override; a distributed
    one has them per port group. `uplinks` are a distributed one's.
    """

    name: str
    kind: Literal["standard", "distributed"]
    uuid: str | None = None
    """Of the distributed switch; None for a standard one."""
    pnics: tuple[str, ...] = ()
    ports: int | None = None
    ports_available: int | None = None
    mtu: int | None = None
    teaming: Teaming | None = None
    security: SecurityPolicy | None = None
    uplinks: tuple[HostUplink, ...] = ()


class HostPortgroup(Part):
    """A standard port group as one host has it, with the policy in effect."""

    name: str
    switch: str
    vlan: int
    teaming: Teaming | None = None
    security: SecurityPolicy | None = None


class VmkernelNic(Part):
    """A vmkernel adapter of a host."""

    device: str
    address: AddressText | None = None
    mac: MacAddress | None = None
    portgroup: str | None = None
    management: bool = False


class HostChanged(Fact):
    """State of one ESXi host, without quick statistics: they change every 20 seconds and decide nothing."""

    TYPE: ClassVar[str] = "inventory.host.changed"
    moid: str
    name: str
    uuid: str | None = None
    datacenter: str | None = None
    """Managed object id of the datacenter; `datacenter_name` is for people."""
    datacenter_name: str | None = None
    cluster: str | None = None
    cluster_name: str | None = None
    resource_pool: str | None = None
    """Root resource pool of the host's cluster or stand-alone compute resource."""
    resource_pool_name: str | None = None
    management_address: AddressText | None = None
    """Of the first vmkernel adapter that carries management."""
    connection: Literal["connected", "disconnected", "not_responding", "unknown"]
    maintenance: bool
    cpu_cores: int | None = None
    cpu_mhz: int | None = None
    memory_mb: int | None = None
    pnics: tuple[PhysicalNic, ...] = ()
    switches: tuple[HostSwitch, ...] = ()
    portgroups: tuple[HostPortgroup, ...] = ()
    vmkernel_nics: tuple[VmkernelNic, ...] = ()
    networks: tuple[str, ...] = ()
    """Managed object ids of the networks that VMs on this host may use."""

    def subject_of(self) -> str:
        return f"host/{self.moid}"


class PrivateVlan(Part):
    """One pair of a distributed switch's private VLANs."""

    primary: int
    secondary: int
    kind: Literal["promiscuous", "isolated", "community", "unknown"]


class LinkAggregation(Part):
    """A LACP group of a distributed switch. `mode` is "active" or "passive"."""

    name: str
    mode: str | None = None
    uplinks: tuple[str, ...] = ()
    load_balancing: str | None = None


class SwitchChanged(Fact):
    """State of one distributed switch."""

    TYPE: ClassVar[str] = "inventory.switch.changed"
    moid: str
    name: str
    uuid: str | None = None
    datacenter: str | None = None
    datacenter_name: str | None = None
    hosts: tuple[str, ...] = ()
    uplinks: tuple[str, ...] = ()
    max_mtu: int | None = None
    private_vlans: tuple[PrivateVlan, ...] = ()
    lags: tuple[LinkAggregation, ...] = ()

    def subject_of(self) -> str:
        return f"switch/{self.moid}"


class VlanNone(Part):
    """Untagged, or tagged outside of vSphere's knowledge."""

    kind: Literal["none"] = "none"


class VlanId(Part):
    """One VLAN; 4095 on a standard port group is a trunk of all, and reported as such."""

    kind: Literal["id"] = "id"
    id: Annotated[int, Field(ge=1, le=4094)]


class VlanTrunk(Part):
    """Several VLANs, as inclusive ranges."""

    kind: Literal["trunk"] = "trunk"
    ranges: tuple[tuple[int, int], ...]


class VlanPrivate(Part):
    """A private VLAN, by its secondary id."""

    kind: Literal["private"] = "private"
    id: int


class VlanUnknown(Part):
    """Could not be told from what was readable; never read as 'none'."""

    kind: Literal["unknown"] = "unknown"


Vlan = Annotated[VlanNone | VlanId | VlanTrunk | VlanPrivate | VlanUnknown, Field(discriminator="kind")]


class ForeignNetwork(Part):
    """What NSX, or another product, calls the network that it keeps behind a port group.

    `id` is an opaque network's id or a logical switch's UUID; `type` is such as "nsx.LogicalSwitch".
    """

    id: str
    type: str | None = None
    segment: str | None = None
    transport_zone: str | None = None


class PortgroupChanged(Fact):
    """State of one port group: one wire, unless it carries uplinks."""

    TYPE: ClassVar[str] = "inventory.portgroup.changed"
    moid: str
    """"network-7" for standard and opaque, "dvportgroup-7" for distributed ones."""
    name: str
    kind: Literal["standard", "distributed", "opaque"]
    uplink: bool = False
    datacenter: str | None = None
    datacenter_name: str | None = None
    key: str | None = None
    """Port group key that NIC backings use; distributed only."""
    switch: str | None = None
    """Managed object id of the distributed switch."""
    switch_uuid: str | None = None
    switch_name: str | None = None
    vlan: Vlan
    binding: Literal["early", "late", "ephemeral"] | None = None
    ports: int | None = None
    auto_expand: bool | None = None
    teaming: Teaming | None = None
    security: SecurityPolicy | None = None
    foreign: ForeignNetwork | None = None
    """Of opaque networks, and of distributed port groups that NSX made."""
    hosts: tuple[str, ...] = ()
    """Managed object ids of the hosts that have it."""

    def subject_of(self) -> str:
        return f"portgroup/{self.moid}"


class VmPort(Part):
    """A VM's network device as hardware."""

    key: int
    label: str
    adapter: str
    """Such as "vmxnet3", "e1000e", "sriov"."""
    mac: MacAddress | None = None
    network: str | None = None
    """Managed object id of the port group; None where the backing is missing or unreadable."""
    connected: bool
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    dvport_key: str | None = None


class VmChanged(Fact):
    """State of one VM as hardware. What its guest says is `guest.addresses.changed`."""

    TYPE: ClassVar[str] = "inventory.vm.changed"
    moid: str
    name: str
    instance_uuid: UUID | None = None
    bios_uuid: UUID | None = None
    host: str | None = None
    datacenter: str | None = None
    resource_pool: str | None = None
    """Managed object id of the pool or vApp that the VM is in; a template is in none."""
    resource_pool_name: str | None = None
    power: Literal["on", "off", "suspended", "unknown"]
    connection: Literal["connected", "disconnected", "orphaned", "inaccessible", "invalid", "unknown"]
    template: bool = False
    placeholder: bool = False
    """A Site Recovery Manager placeholder."""
    fault_tolerance_secondary: bool = False
    cpus: int | None = None
    memory_mb: int | None = None
    reservation: UUID | None = None
    """Found in the VM's annotation as "patchbay-reservation: <id>", written there by who created it."""
    extra_config_reservation: UUID | None = None
    """Found in the VM's extraConfig under "guestinfo.patchbay.reservation", another place for the same."""
    ports: tuple[VmPort, ...] = ()

    def subject_of(self) -> str:
        return f"vm/{self.moid}"


class _Removed(Fact):
    moid: str
    name: str | None = None
    """The last known name."""
    how: Literal["observed", "sweep"]
    """`observed`: the vCenter said so. `sweep`: a completed snapshot did not contain it."""


class HostRemoved(_Removed):
    """A host left the vCenter."""

    TYPE: ClassVar[str] = "inventory.host.removed"

    def subject_of(self) -> str:
        return f"host/{self.moid}"


class SwitchRemoved(_Removed):
    """A distributed switch was removed."""

    TYPE: ClassVar[str] = "inventory.switch.removed"

    def subject_of(self) -> str:
        return f"switch/{self.moid}"


class PortgroupRemoved(_Removed):
    """A port group was removed."""

    TYPE: ClassVar[str] = "inventory.portgroup.removed"

    def subject_of(self) -> str:
        return f"portgroup/{self.moid}"


class VmRemoved(_Removed):
    """A VM was deleted or unregistered."""

    TYPE: ClassVar[str] = "inventory.vm.removed"

    def subject_of(self) -> str:
        return f"vm/{self.moid}"


class _Snapshot(Fact):
    def subject_of(self) -> str:
        return f"snapshot/{self.epoch}"


class SnapshotStarted(_Snapshot):
    """A full read of the vCenter begins."""

    TYPE: ClassVar[str] = "inventory.snapshot.started"


class SnapshotCompleted(_Snapshot):
    """A full read ended; every object it announced was published before this, in order."""

    TYPE: ClassVar[str] = "inventory.snapshot.completed"
    counts: dict[Kind, int]
    """Objects of each kind that the snapshot contained."""
    swept: dict[Kind, int]
    """Removals published because the snapshot did not contain the object."""


class SnapshotHeld(_Snapshot):
    """The brake: the sweep would have removed too much, and waits."""

    TYPE: ClassVar[str] = "inventory.snapshot.held"
    known: dict[Kind, int]
    missing: dict[Kind, int]
    limit_percent: float
    release: str
    """What an operator does to let it go on."""

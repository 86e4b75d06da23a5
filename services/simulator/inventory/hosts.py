"""Hosts with their physical and virtual network, and datastores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.simulator.inventory.entities import Cluster, Entity, Folder

if TYPE_CHECKING:
    from services.simulator.inventory.machines import VirtualMachine
    from services.simulator.inventory.networks import Network, PortGroup, Switch


@dataclass(slots=True)
class PhysicalNic:
    """A physical adapter ("vmnic0"). `speed_mb` None means no link."""

    device: str
    pci: str
    mac: str
    speed_mb: int | None = 25_000
    driver: str = "nmlx5_core"


@dataclass(slots=True)
class VirtualSwitch:
    """A standard switch with the devices of its uplinks; those in `standby` only stand by."""

    name: str
    uplinks: list[str]
    mtu: int = 1500
    policy: str = "loadbalance_srcid"
    standby: list[str] = field(default_factory=list)


@dataclass(slots=True)
class HostPortGroup:
    """A port group on a standard switch of one host."""

    name: str
    vswitch: str
    vlan: int


@dataclass(slots=True)
class HostAdapter:
    """A VMkernel adapter ("vmk0") with its address and the roles it is selected for ("management")."""

    device: str
    mac: str
    address: str
    netmask: str
    port_group: str = ""
    distributed: PortGroup | None = None
    roles: tuple[str, ...] = ()
    mtu: int = 1500


@dataclass(slots=True)
class SwitchMembership:
    """A host's part in a distributed switch: its adapters by uplink name."""

    switch: Switch
    uplinks: dict[str, str]


class Host(Entity):
    """An ESXi host."""

    kind = "HostSystem"
    mirrors = {  # noqa: RUF012  declared ClassVar above
        "name": ("summary.config.name",),
        "runtime.connectionState": (
            "summary.runtime.connectionState",
            "runtime.powerState",
            "summary.runtime.powerState",
            "overallStatus",
            "summary.overallStatus",
        ),
        "runtime.inMaintenanceMode": ("summary.runtime.inMaintenanceMode",),
    }

    def __init__(self, moid: str, name: str, parent: Cluster, uuid: str) -> None:
        super().__init__(moid, name, parent)
        self.cluster = parent
        self.uuid = uuid
        self.connection = "connected"
        self.maintenance = False
        self.cpu_cores = 32
        self.cpu_mhz = 2400
        self.memory = 512 * 1024**3
        """Bytes."""
        self.pnics: list[PhysicalNic] = []
        self.vswitches: list[VirtualSwitch] = []
        self.port_groups: list[HostPortGroup] = []
        self.adapters: list[HostAdapter] = []
        self.memberships: list[SwitchMembership] = []
        self.networks: dict[str, Network] = {}
        self.datastores: list[Datastore] = []
        self.vms: dict[str, VirtualMachine] = {}


class Datastore(Entity):
    """A datastore. Sizes in bytes."""

    kind = "Datastore"

    def __init__(self, moid: str, name: str, parent: Folder, capacity: int) -> None:
        super().__init__(moid, name, parent)
        self.capacity = capacity
        self.hosts: dict[str, Host] = {}
        self.vms: dict[str, VirtualMachine] = {}

"""Virtual machines: hardware, and what Tools report from inside the guest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from services.simulator.inventory.entities import Entity, Folder, ResourcePool

if TYPE_CHECKING:
    from services.simulator.inventory.hosts import Datastore, Host
    from services.simulator.inventory.networks import Network

ETHERNET_CARDS = frozenset(
    {"VirtualVmxnet3", "VirtualE1000", "VirtualE1000e", "VirtualVmxnet2", "VirtualVmxnet", "VirtualPCNet32",
     "VirtualSriovEthernetCard", "VirtualVmxnet3Vrdma"}
)  # fmt: skip


@dataclass(slots=True)
class GuestAddress:
    """An address as Tools report it; `origin` and `state` are vSphere's words."""

    address: str
    prefix: int
    origin: str = "manual"
    state: str = "preferred"


@dataclass(slots=True)
class GuestNic:
    """An interface as Tools report it. `device_key` is -1 for one that is no device of the VM."""

    device_key: int
    mac: str
    addresses: list[GuestAddress]
    network: str | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    connected: bool = True


@dataclass(slots=True)
class Nic:
    """A virtual network card. `network` may have been removed meanwhile: the backing then dangles."""

    key: int
    card: str
    mac: str
    network: Network
    port_key: str = ""
    address_type: str = "assigned"
    connected: bool = True
    start_connected: bool = True


@dataclass(slots=True)
class Customization:
    """What the guest will be told at its next start: per device key its interface, and its names."""

    host_name: str
    domain: str
    nics: list[GuestNic]


@dataclass(slots=True)
class Guest:
    """The guest's system: what it has configured, of which Tools report all while they run."""

    host_name: str | None = None
    domain: str = ""
    tools_installed: bool = True
    tools_running: bool = False
    nics: list[GuestNic] = field(default_factory=list)
    customization: str = "TOOLSDEPLOYPKG_IDLE"
    customization_start: datetime | None = None
    customization_end: datetime | None = None
    dhcp: bool = False
    """Whether the guest takes an address of its port group's natural subnet at each start."""
    weak_address: str | None = None
    """An address shown in guest.ipAddress though guest.net is empty, as some systems do."""

    def primary_address(self) -> str | None:
        """guest.ipAddress: the first IPv4 address of the VM's own devices, else the first of any."""
        own = [a.address for nic in self.nics if nic.device_key >= 0 for a in nic.addresses]
        other = [a.address for nic in self.nics if nic.device_key < 0 for a in nic.addresses]
        for address in (*own, *other):
            if ":" not in address:
                return address
        return next(iter(own or other), self.weak_address)


class VirtualMachine(Entity):
    """A virtual machine or template."""

    kind = "VirtualMachine"
    mirrors = {  # noqa: RUF012  declared ClassVar above
        "name": ("config.name", "summary.config.name"),
        "config.template": ("summary.config.template",),
        "config.annotation": ("summary.config.annotation",),
        "config.hardware.numCPU": ("summary.config.numCpu",),
        "config.hardware.memoryMB": ("summary.config.memorySizeMB",),
        "runtime.host": ("summary.runtime.host",),
        "runtime.powerState": ("summary.runtime.powerState", "runtime.bootTime", "summary.runtime.bootTime"),
        "runtime.connectionState": ("summary.runtime.connectionState",),
        "guest.ipAddress": ("summary.guest.ipAddress",),
        "guest.hostName": ("summary.guest.hostName",),
        "guest.toolsRunningStatus": (
            "summary.guest.toolsRunningStatus",
            "guest.toolsStatus",
            "summary.guest.toolsStatus",
            "guest.guestState",
            "guest.guestId",
            "guest.guestFamily",
            "guest.guestFullName",
            "summary.guest.guestId",
            "summary.guest.guestFullName",
            "guest.guestOperationsReady",
        ),
        "guest.toolsVersionStatus2": ("summary.guest.toolsVersionStatus2", "guest.toolsVersionStatus"),
    }

    def __init__(
        self,
        moid: str,
        name: str,
        parent: Folder,
        *,
        host: Host,
        pool: ResourcePool | None,
        datastore: Datastore,
        uuid: str,
        instance_uuid: str,
    ) -> None:
        super().__init__(moid, name, parent)
        self.host = host
        self.pool = pool
        self.datastore = datastore
        self.uuid = uuid
        self.instance_uuid = instance_uuid
        self.directory = name
        """The folder of its files; it keeps its name when the VM is renamed."""
        self.template = False
        self.annotation = ""
        self.num_cpu = 2
        self.memory_mb = 4096
        self.disk_kb = 40 * 1024 * 1024
        self.guest_id = "ubuntu64Guest"
        self.power = "poweredOff"
        self.connection = "connected"
        self.nics: list[Nic] = []
        self.guest = Guest()
        self.extra_config: dict[str, str] = {}
        self.managed_by: tuple[str, str] | None = None
        self.ft_role: int | None = None
        self.created = 0.0
        self.booted: datetime | None = None
        self.change_version = 0
        self.pending: Customization | None = None
        self.boots = 0
        """Counts power changes, so that a boot that was cut short reports nothing."""

    def nic(self, key: int) -> Nic | None:
        """The network card with that device key."""
        return next((nic for nic in self.nics if nic.key == key), None)

    def networks(self) -> list[Network]:
        """The networks its cards are on, each once, without those that were removed."""
        return list({nic.network.moid: nic.network for nic in self.nics if nic.network.alive}.values())

    def free_nic_key(self) -> int:
        """The next device key for a network card."""
        used = {nic.key for nic in self.nics}
        return next(key for key in range(4000, 4100) if key not in used)

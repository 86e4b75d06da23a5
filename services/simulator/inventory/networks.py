"""Networks: standard ones as vCenter merges them, distributed port groups and their switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.simulator.inventory.entities import MANAGED_ENTITY, Entity, Folder

if TYPE_CHECKING:
    from services.simulator.inventory.hosts import Host
    from services.simulator.inventory.machines import VirtualMachine

Trunk = tuple[tuple[int, int], ...]
"""VLAN ranges that a trunk carries, both ends included."""


class Network(Entity):
    """A standard network: all hosts' port groups of one name in a datacenter."""

    kind = "Network"
    mirrors = {"name": ("summary.name",)}  # noqa: RUF012  declared ClassVar above

    def __init__(self, moid: str, name: str, parent: Folder) -> None:
        super().__init__(moid, name, parent)
        self.hosts: dict[str, Host] = {}
        self.vms: dict[str, VirtualMachine] = {}


class PortGroup(Network):
    """A distributed port group. `vlan` is an id, or ranges for a trunk; `uplink` tells the switch's own."""

    kind = "DistributedVirtualPortgroup"
    bases = ("Network", *MANAGED_ENTITY)
    mirrors = {"name": ("summary.name", "config.name", "config.configVersion")}  # noqa: RUF012

    def __init__(
        self, moid: str, name: str, switch: Switch, vlan: int | Trunk, *, uplink: bool = False
    ) -> None:
        parent = switch.parent
        assert isinstance(parent, Folder)  # noqa: S101  switches are only ever made in network folders
        super().__init__(moid, name, parent)
        self.switch = switch
        self.vlan = vlan
        self.uplink = uplink
        self.num_ports = 2 if uplink else 8
        self.auto_expand = True
        self.binding = "earlyBinding"
        self.first_port = 0
        self.next_port = 0
        self.config_version = 0

    @property
    def key(self) -> str:
        """The port group key that backings name; equal to the managed object id."""
        return self.moid

    def take_port(self) -> str:
        """The key of a free port; early binding grows by itself."""
        key = self.first_port + self.next_port
        self.next_port += 1
        self.num_ports = max(self.num_ports, self.next_port)
        return str(key)


class Switch(Entity):
    """A distributed switch."""

    kind = "VmwareDistributedVirtualSwitch"
    bases = ("DistributedVirtualSwitch", *MANAGED_ENTITY)
    mirrors = {"name": ("summary.name", "config.name", "config.configVersion")}  # noqa: RUF012

    def __init__(self, moid: str, name: str, parent: Folder, uuid: str) -> None:
        super().__init__(moid, name, parent)
        self.uuid = uuid
        self.mtu = 9000
        self.uplink_names = ("Uplink 1", "Uplink 2")
        self.port_groups: dict[str, PortGroup] = {}
        self.hosts: dict[str, Host] = {}
        self.config_version = 0
        self.next_port = 0

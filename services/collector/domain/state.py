"""The collector's picture of a vCenter, object by object: the last value of every watched property.

`None` is both "unset" and "never readable"; a value that stops being readable stays (G4). The field names are
what the adapter's property paths are translated to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.collector.domain.raw import (
    Card,
    DvSetting,
    GuestNic,
    GuestStack,
    HostPort,
    Lag,
    Opaque,
    Pnic,
    ProxySwitch,
    Pvlan,
    Vmk,
    Vswitch,
)

ObjectKind = Literal["place", "host", "switch", "portgroup", "vm"]
PlaceKind = Literal["folder", "datacenter", "compute", "cluster", "pool"]
NetworkKind = Literal["standard", "distributed", "opaque"]

LASTING = frozenset(
    {
        *("name", "uuid", "key", "setting", "switch"),
        *("cpu_cores", "cpu_mhz", "memory_bytes"),
        *("pnics", "vswitches", "proxy_switches", "portgroups", "vmks", "management_vmks"),
        *("instance_uuid", "bios_uuid", "template", "cards", "cpus", "memory_mb", "host"),
        *("opaque", "pvlans", "lags"),
    }
)
"""Fields that an object never truly loses. A vCenter unsets them when it can't read the object's
configuration any more (an inaccessible VM, a disconnected host), and that is absence, not deletion."""


@dataclass(slots=True)
class Place:
    """A folder, datacenter, cluster, stand-alone compute resource or resource pool: where things are."""

    moid: str
    type: PlaceKind
    name: str | None = None
    parent: str | None = None
    resource_pool: str | None = None


@dataclass(slots=True)
class Host:
    """An ESXi host."""

    moid: str
    name: str | None = None
    parent: str | None = None
    connection: str | None = None
    maintenance: bool | None = None
    uuid: str | None = None
    cpu_cores: int | None = None
    cpu_mhz: int | None = None
    memory_bytes: int | None = None
    pnics: tuple[Pnic, ...] | None = None
    vswitches: tuple[Vswitch, ...] | None = None
    proxy_switches: tuple[ProxySwitch, ...] | None = None
    portgroups: tuple[HostPort, ...] | None = None
    vmks: tuple[Vmk, ...] | None = None
    management_vmks: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None


@dataclass(slots=True)
class Switch:
    """A distributed switch."""

    moid: str
    name: str | None = None
    uuid: str | None = None
    parent: str | None = None
    hosts: tuple[str, ...] | None = None
    uplinks: tuple[str, ...] | None = None
    uplink_portgroups: tuple[str, ...] | None = None
    max_mtu: int | None = None
    pvlans: tuple[Pvlan, ...] | None = None
    lags: tuple[Lag, ...] | None = None


@dataclass(slots=True)
class Portgroup:
    """A network: standard, distributed or opaque."""

    moid: str
    type: NetworkKind
    name: str | None = None
    parent: str | None = None
    hosts: tuple[str, ...] | None = None
    key: str | None = None
    switch: str | None = None
    setting: DvSetting | None = None
    binding: str | None = None
    ports: int | None = None
    auto_expand: bool | None = None
    uplink: bool | None = None
    opaque: Opaque | None = None
    backing: str | None = None
    logical_switch: str | None = None
    segment: str | None = None
    transport_zone: str | None = None

    @property
    def named_by_cards(self) -> str | None:
        """What cards that are plugged into it name it by; None: by its managed object id."""
        if self.type == "opaque":
            return self.opaque.id if self.opaque is not None else None
        return self.key or None


@dataclass(slots=True)
class Vm:
    """A virtual machine: hardware, and what its guest says."""

    moid: str
    name: str | None = None
    instance_uuid: UUID | None = None
    bios_uuid: UUID | None = None
    template: bool | None = None
    reservation: UUID | None = None
    option_reservation: UUID | None = None
    placeholder: bool | None = None
    ft_secondary: bool | None = None
    cards: tuple[Card, ...] | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    host: str | None = None
    pool: str | None = None
    power: str | None = None
    connection: str | None = None
    tools: str | None = None
    hostname: str | None = None
    guest_nics: tuple[GuestNic, ...] | None = None
    guest_stacks: tuple[GuestStack, ...] | None = None
    guest_address: str | None = None

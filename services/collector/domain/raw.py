"""What vSphere's data objects come down to, as plain values: the vocabulary between adapter and domain.

Every field is as the vCenter stated it: MACs in any spelling, addresses unchecked, ids as managed object ids.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Card(NamedTuple):
    """A VM's virtual network device. `kind` is the type's name in the API, such as "VirtualVmxnet3"."""

    key: int
    label: str
    kind: str
    mac: str | None
    connected: bool
    network: str | None
    """Of a standard backing: managed object id of the network."""
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    port_key: str | None = None
    opaque_id: str | None = None
    """Of an opaque backing: what the network's own product calls it."""


class GuestIp(NamedTuple):
    """An address in a guest's words; `prefix`, `origin` and `state` where Tools tell them."""

    address: str
    prefix: int | None = None
    origin: str | None = None
    state: str | None = None


class GuestNic(NamedTuple):
    """An interface in a guest's words. `device_key` is -1 where it is no device of the VM."""

    device_key: int
    mac: str | None
    connected: bool
    addresses: tuple[GuestIp, ...]


class GuestStack(NamedTuple):
    """An IP stack of a guest: name servers, and default routes as (gateway, position in the list of NICs)."""

    dns: tuple[str, ...]
    default_routes: tuple[tuple[str, int | None], ...]


class Team(NamedTuple):
    """Use of uplinks, effective."""

    policy: str
    active: tuple[str, ...]
    standby: tuple[str, ...]
    beacon: bool | None
    notify: bool | None
    rolling: bool | None


class Security(NamedTuple):
    """What a switch lets a VM do, effective."""

    promiscuous: bool | None
    mac_changes: bool | None
    forged: bool | None


class Pnic(NamedTuple):
    """A host's physical adapter. `key` is what switches refer to."""

    key: str
    device: str
    mac: str | None
    mbps: int | None
    driver: str | None
    pci: str | None


class Vswitch(NamedTuple):
    """A standard switch of a host; `pnics` are keys."""

    name: str
    pnics: tuple[str, ...]
    ports: int | None
    available: int | None
    mtu: int | None = None
    team: Team | None = None
    security: Security | None = None


class ProxySwitch(NamedTuple):
    """A host's share of a distributed switch; `pnics` are keys, `uplinks` pairs of uplink name and device."""

    name: str
    uuid: str
    pnics: tuple[str, ...]
    ports: int | None
    available: int | None
    mtu: int | None = None
    uplinks: tuple[tuple[str, str], ...] = ()


class HostPort(NamedTuple):
    """A standard port group of a host."""

    name: str
    switch: str
    vlan: int
    team: Team | None
    security: Security | None = None


class Vmk(NamedTuple):
    """A vmkernel adapter; `portgroup` is a standard port group's label or a distributed one's key."""

    key: str
    device: str
    address: str | None
    mac: str | None
    portgroup: str | None


class DvVlan(NamedTuple):
    """VLAN setting of a distributed port group."""

    kind: Literal["id", "trunk", "private", "unknown"]
    id: int = 0
    ranges: tuple[tuple[int, int], ...] = ()


class DvSetting(NamedTuple):
    """A distributed port group's default port setting, as far as it matters here."""

    vlan: DvVlan
    team: Team | None
    security: Security | None = None


class Pvlan(NamedTuple):
    """An entry of a distributed switch's table of private VLANs. `kind`: promiscuous, isolated, community."""

    primary: int
    secondary: int
    kind: str


class Lag(NamedTuple):
    """A link aggregation group of a distributed switch."""

    name: str
    mode: str | None
    uplinks: tuple[str, ...]
    balance: str | None


class Opaque(NamedTuple):
    """A network that another product keeps, in that product's words."""

    id: str
    type: str | None

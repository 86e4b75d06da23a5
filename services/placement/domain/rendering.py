"""What the guest is to be told about its network, as plain data: ready for a vSphere customization.

One adapter per NIC, in the order of the answer. Netmasks are IPv4 text, prefixes numbers of bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from shared.events.placement import PlacedNic, VmCreatePlaced
from shared.events.subnet import Route


@dataclass(frozen=True, slots=True)
class GuestAddressing:
    """An address as a guest is configured with it. `netmask` is None for IPv6."""

    family: Literal["ipv4", "ipv6"]
    address: str
    prefix: int
    netmask: str | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class GuestAdapter:
    """Configuration of one NIC."""

    index: int
    mac: str | None
    addresses: tuple[GuestAddressing, ...]
    dns: tuple[str, ...]
    domain: str | None
    mtu: int | None
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class GuestConfiguration:
    """All a guest is told. `dns` and `search_domains` hold for the whole guest."""

    hostname: str
    domain: str
    os: Literal["linux", "windows"]
    dns: tuple[str, ...]
    search_domains: tuple[str, ...]
    ntp: tuple[str, ...]
    adapters: tuple[GuestAdapter, ...]


def guest_configuration(answer: VmCreatePlaced) -> GuestConfiguration:
    """What the guest of a placed VM is to be told.

    Only the first NIC that has a gateway of a family keeps it: two default routes are none. The guest's
    domain is the first NIC's that has one, else the first search domain, else "localdomain".
    """
    addresses = [address for nic in answer.nics for address in nic.addresses]
    domains = [address.domain for address in addresses if address.domain]
    search = tuple(dict.fromkeys([*answer.guest.search_domains, *domains]))
    routed: set[str] = set()
    return GuestConfiguration(
        hostname=hostname(answer),
        domain=next(iter([*domains, *search]), "localdomain"),
        os=answer.guest.os,
        dns=tuple(dict.fromkeys(server for address in addresses for server in address.dns)),
        search_domains=search,
        ntp=tuple(dict.fromkeys(server for address in addresses for server in address.ntp)),
        adapters=tuple(_adapter(nic, routed) for nic in answer.nics),
    )


def hostname(answer: VmCreatePlaced) -> str:
    """The host name asked for, else the VM's name made fit to be one (letters, digits, inner hyphens)."""
    wanted = answer.guest.hostname or answer.name.partition(".")[0]
    fit = "".join(c if c.isascii() and c.isalnum() else "-" for c in wanted).strip("-")
    return (fit[:63].rstrip("-") if fit else "") or f"vm-{str(answer.reservation)[:8]}"


def _adapter(nic: PlacedNic, routed: set[str]) -> GuestAdapter:
    addressing: list[GuestAddressing] = []
    for placed in nic.addresses:
        network = ip_network(f"{placed.address}/{placed.prefix}", strict=False)
        family: Literal["ipv4", "ipv6"] = "ipv4" if network.version == 4 else "ipv6"
        gateway = placed.gateway if family not in routed else None
        if gateway is not None:
            routed.add(family)
        addressing.append(
            GuestAddressing(
                family=family,
                address=placed.address,
                prefix=placed.prefix,
                netmask=str(network.netmask) if family == "ipv4" else None,
                gateway=gateway,
            )
        )
    return GuestAdapter(
        index=nic.index,
        mac=nic.mac,
        addresses=tuple(addressing),
        dns=tuple(dict.fromkeys(server for placed in nic.addresses for server in placed.dns)),
        domain=next((placed.domain for placed in nic.addresses if placed.domain), None),
        mtu=min((placed.mtu for placed in nic.addresses if placed.mtu is not None), default=None),
        routes=tuple(route for placed in nic.addresses for route in placed.routes),
    )

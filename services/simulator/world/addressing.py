"""Which addresses guests get: each port group has a natural subnet, as if a network team had planned it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from services.simulator.inventory.machines import GuestAddress
from services.simulator.soap.faults import invalid_argument

AddressLike = str | Sequence[object] | GuestAddress
"""A guest address: "10.0.0.5/24", or (address, prefix length[, origin[, state]])."""


class SubnetPlan(NamedTuple):
    """A natural subnet as others may want to create it. `vlan` is None on a trunk."""

    port_group: str
    """Managed object id."""
    name: str
    prefix: str
    gateway: str
    vlan: int | None


class NaturalSubnet:
    """The subnets of one port group: IPv4 always, IPv6 on some. Hands out addresses from .10 up."""

    def __init__(self, prefix: IPv4Network, prefix6: IPv6Network | None = None) -> None:
        self.prefix = prefix
        self.prefix6 = prefix6
        self._next = 10
        self._free: list[int] = []

    @property
    def gateway(self) -> str:
        """The first address of the IPv4 subnet."""
        return str(self.prefix.network_address + 1)

    @property
    def gateway6(self) -> str | None:
        """The first address of the IPv6 subnet."""
        return str(self.prefix6.network_address + 1) if self.prefix6 else None

    def take(self) -> GuestAddress | None:
        """The next unused IPv4 address; None when the subnet is full."""
        if self._free:
            number = self._free.pop(0)
        elif self._next < self.prefix.num_addresses - 1:
            number = self._next
            self._next += 1
        else:
            return None
        return GuestAddress(str(self.prefix.network_address + number), self.prefix.prefixlen)

    def give_back(self, address: str) -> None:
        """Make `address` available again, if it is from here."""
        parsed = ip_address(address)
        if isinstance(parsed, IPv4Address) and parsed in self.prefix:
            number = int(parsed) - int(self.prefix.network_address)
            if 10 <= number < self._next and number not in self._free:
                self._free.append(number)

    def derived6(self, mac: str) -> GuestAddress | None:
        """The EUI-64 address that an interface with that MAC forms here."""
        if self.prefix6 is None:
            return None
        return GuestAddress(str(self.prefix6.network_address + eui64(mac)), 64, "linklayer", "preferred")


def eui64(mac: str) -> int:
    """The interface identifier (RFC 4291, appendix A) of a MAC address, as a number."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:], "big")


def link_local(mac: str) -> GuestAddress:
    """The IPv6 link-local address of an interface."""
    return GuestAddress(str(ip_address((0xFE80 << 112) + eui64(mac))), 64, "linklayer", "preferred")


def parse_addresses(items: Sequence[AddressLike]) -> list[GuestAddress]:
    """Guest addresses from any of their short forms. Raises an InvalidArgument fault."""
    return [_parse(item) for item in items]


def _parse(item: AddressLike) -> GuestAddress:
    if isinstance(item, GuestAddress):
        return item
    if isinstance(item, str):
        address, _, prefix = item.partition("/")
        parts: list[object] = [address, prefix or (64 if ":" in address else 24)]
    else:
        parts = list(item)
    try:
        text = str(ip_address(str(parts[0])))
        length = int(str(parts[1])) if len(parts) > 1 else (64 if ":" in text else 24)
    except ValueError as error:
        raise invalid_argument("addresses", str(error)) from None
    rest = [str(part) for part in parts[2:4]]
    return GuestAddress(text, length, *rest)

"""Values of inet columns in their binary form: addresses as text or values in, `ipaddress` objects out.

As the driver has it, but remembered: one address is asked for and written by several statements in a row.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from socket import AF_INET, AF_INET6, inet_pton

InetValue = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface

_REMEMBERED = 1 << 14
_FAMILIES = {4: 2, 6: 3}
"""PostgreSQL's numbers for IPv4 and IPv6."""
_START = {AF_INET: bytes((2, 32, 0, 4)), AF_INET6: bytes((3, 128, 0, 16))}
"""Family, bits, that it is no cidr, and bytes to follow."""


@lru_cache(_REMEMBERED, typed=True)
def inet_bytes(value: str | InetValue) -> bytes:
    """The address as inet; with a prefix length if it carries one. Raises ValueError for anything else."""
    # An address as text is what comes most; libc reads it at a quarter of the cost.
    if type(value) is str:
        family = AF_INET6 if ":" in value else AF_INET
        try:
            return _START[family] + inet_pton(family, value)
        except (OSError, ValueError):
            pass
    try:
        address = ip_address(value)
    except ValueError:
        interface = ip_interface(value)
        return _bytes(interface.version, interface.network.prefixlen, interface.packed)
    return _bytes(address.version, address.max_prefixlen, address.packed)


@lru_cache(_REMEMBERED)
def of_inet(data: bytes) -> InetValue:
    """The value of an inet column: an address, or an interface where it has a prefix length of its own."""
    packed = data[4:]
    bits = data[1]
    return ip_address(packed) if bits == 8 * len(packed) else ip_interface((packed, bits))


def _bytes(version: int, bits: int, packed: bytes) -> bytes:
    # The zero says that it is no cidr.
    return bytes([_FAMILIES[version], bits, 0, len(packed)]) + packed

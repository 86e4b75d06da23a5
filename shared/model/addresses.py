"""IP addresses and prefixes as values: canonical text, with the mistakes people make named one by one."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


def parse_address(text: str | IPAddress) -> IPAddress:
    """The address in `text`. Raises ValueError for prefixes, zones, IPv4-mapped IPv6 and anything else."""
    if not isinstance(text, str):
        return text
    if "%" in text:
        raise ValueError(f"{text!r} carries a zone; give the address without the part from '%' on")
    if "/" in text:
        raise ValueError(f"{text!r} carries a prefix length; give the address alone")
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f"{text!r} is an IPv4-mapped IPv6 address; give {address.ipv4_mapped} instead")
    return address


@lru_cache(1 << 13)
def as_value(text: str) -> IPAddress:
    """An address that was judged before, such as one out of an event or the database, as a value."""
    # By libc at a quarter of the cost: a large site has more addresses than are remembered.
    try:
        if ":" in text:
            return IPv6Address(socket.inet_pton(socket.AF_INET6, text))
        return IPv4Address(socket.inet_pton(socket.AF_INET, text))
    except OSError:
        return ipaddress.ip_address(text)


@lru_cache(1 << 13)
def as_network(text: str) -> IPNetwork:
    """A prefix that was judged before, as a value."""
    return ipaddress.ip_network(text)


def parse_prefix(text: str | IPNetwork) -> IPNetwork:
    """The network in `text`. Raises ValueError when it is none, or has host bits set (and says which)."""
    if not isinstance(text, str):
        return text
    try:
        return ipaddress.ip_network(text.strip(), strict=True)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a prefix; write it like 10.0.0.0/24 or 2001:db8::/64") from None
    raise ValueError(f"{text!r} has host bits set; the network that contains it is {loose}")


def spelled_by_libc(text: str) -> str | None:
    """The address's canonical form, as `parse_address` gives it, at a tenth of the cost.

    None: not an address, or one that only `parse_address` can judge.
    """
    if ":" not in text:
        try:
            packed = socket.inet_pton(socket.AF_INET, text)
        except (OSError, ValueError):
            return None
        return text if socket.inet_ntop(socket.AF_INET, packed) == text else None
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    # Below ::1:0:0 libc writes the end as IPv4 does, which is not canonical, and mapped ones are refused.
    return None if packed.startswith(_MAYBE_IPV4) else socket.inet_ntop(socket.AF_INET6, packed)


_MAYBE_IPV4 = bytes(8)


def _address_text(value: object) -> str:
    if isinstance(value, str):
        return canonical(value)
    if isinstance(value, IPv4Address | IPv6Address):
        return str(parse_address(value))
    raise ValueError(f"{value!r} is not an IP address")


@lru_cache(maxsize=16_384)
def canonical(text: str) -> str:
    """The canonical form of an address, remembered: the same few come again and again.

    Raises ValueError as `parse_address` does.
    """
    return spelled_by_libc(text) or str(parse_address(text))


def _prefix_text(value: object) -> str:
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError(f"{value!r} is not a prefix")  # noqa: TRY004  pydantic turns only ValueError into its own
    return str(parse_prefix(value))


AddressText = Annotated[str, BeforeValidator(_address_text)]
"""An address in its canonical text form (IPv6 compressed, lower case)."""

PrefixText = Annotated[str, BeforeValidator(_prefix_text)]
"""A network in its canonical text form, host bits clear."""

"""Values that vSphere spells in its own way."""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from shared.model.addresses import IPAddress, parse_address, spelled_by_libc
from shared.model.mac import canonical_mac

_ESCAPED = re.compile(r"%(2f|5c|25)", re.IGNORECASE)
_RESERVATION = re.compile(
    r"^\s*patchbay-reservation:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def object_name(text: str) -> str:
    """An object's name as people write it: vSphere escapes exactly "/", "\\" and "%" in names."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def mac_or_none(text: str | None) -> str | None:
    """The MAC in canonical form, None for anything that is none (an empty string, an InfiniBand GUID)."""
    if not text:
        return None
    try:
        return canonical_mac(text)
    except ValueError:
        return None


def address_or_none(text: str | None) -> IPAddress | None:
    """The address, without its IPv6 zone; None for anything that is no host's address."""
    if not text:
        return None
    try:
        address = parse_address(text.partition("%")[0])
    except ValueError:
        return None
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        return None
    return address


class HostAddress(NamedTuple):
    """An address in canonical text, ordered by version and number. `bits`: 32 or 128."""

    version: int
    number: int
    text: str
    bits: int
    link_local: bool


@lru_cache(maxsize=8192)
def host_address(text: str | None) -> HostAddress | None:
    """What `address_or_none` says, in a form that is cheap to come by for the many of a vCenter.

    Remembered: Tools name an address several times, and gateways and name servers are the same for many.
    """
    if not text:
        return None
    canonical = spelled_by_libc(text)
    if canonical is None:
        address = address_or_none(text)
        if address is None:
            return None
        return HostAddress(
            address.version, int(address), str(address), address.max_prefixlen, address.is_link_local
        )
    return _host_address_6(canonical) if ":" in canonical else _host_address_4(canonical)


def _host_address_4(text: str) -> HostAddress | None:
    packed = socket.inet_pton(socket.AF_INET, text)
    if packed == bytes(4) or packed[0] == 127 or 224 <= packed[0] < 240:
        return None
    return HostAddress(4, int.from_bytes(packed, "big"), text, 32, packed.startswith(_LINK_LOCAL))


def _host_address_6(text: str) -> HostAddress | None:
    packed = socket.inet_pton(socket.AF_INET6, text)
    if packed[0] == 0xFF:
        return None
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return HostAddress(6, int.from_bytes(packed, "big"), text, 128, link_local)


_LINK_LOCAL = bytes((169, 254))


def uuid_or_none(text: str | None) -> UUID | None:
    """The UUID; None for the all-zero one and for anything else."""
    try:
        found = UUID(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.int else None


def option_reservation(value: str | None) -> UUID | None:
    """The id that an option in a VM's extraConfig holds, bare or in the words of an annotation."""
    return uuid_or_none((value or "").strip()) or reservation_in(value)


def reservation_in(annotation: str | None) -> UUID | None:
    """The id in the first line "patchbay-reservation: <id>" of a VM's notes. Nothing else of them is kept."""
    found = _RESERVATION.search(annotation or "")
    return UUID(found[1]) if found else None

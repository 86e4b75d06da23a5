"""Values that vSphere spells in its own way."""

from __future__ import annotations

import re
from uuid import UUID

from shared.model.addresses import IPAddress, parse_address
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


def uuid_or_none(text: str | None) -> UUID | None:
    """The UUID; None for the all-zero one and for anything else."""
    try:
        return (UUID(text) if text else None) or None
    except ValueError:
        return None


def reservation_in(annotation: str | None) -> UUID | None:
    """The id in the first line "patchbay-reservation: <id>" of a VM's notes. Nothing else of them is kept."""
    found = _RESERVATION.search(annotation or "")
    return UUID(found[1]) if found else None

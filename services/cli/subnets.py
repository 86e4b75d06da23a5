"""Subnets as people write them: ranges, routes, labels. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pydantic import ValidationError

from services.cli.requests import faults_of
from shared.events.subnet import AddressRange, Route
from shared.model.addresses import parse_address


def address_range(text: str) -> AddressRange:
    """ "10.0.0.10-10.0.0.99", "10.0.0.10-99" for the last number alone, or a single address.

    Raises ValueError.
    """
    first_text, dash, last_text = (part.strip() for part in text.partition("-"))
    first = parse_address(first_text)
    if not dash:
        return AddressRange(first=str(first), last=str(first))
    try:
        last = parse_address(_completed(first, last_text))
    except ValueError:
        raise ValueError(f"{text!r} is no range; write it like {first}-{first + 9}") from None
    return AddressRange(first=str(first), last=str(last))


def _completed(first: IPv4Address | IPv6Address, last: str) -> str:
    if isinstance(first, IPv4Address) and last.isdecimal():
        return f"{str(first).rpartition('.')[0]}.{last}"
    return last


def route(text: str) -> Route:
    """ "10.9.0.0/16=10.0.0.254": destination and next hop. Raises ValueError."""
    to, sign, via = (part.strip() for part in text.partition("="))
    if not sign:
        raise ValueError(f"{text!r} is no route; write it like 10.9.0.0/16=10.0.0.254")
    try:
        return Route(to=to, via=via)
    except ValidationError as error:
        raise ValueError(f"route {text!r}: {faults_of(error)}") from None


def labels(items: list[str]) -> dict[str, str]:
    """ "site=berlin", several. Raises ValueError."""
    found: dict[str, str] = {}
    for item in items:
        key, sign, value = (part.strip() for part in item.partition("="))
        if not sign or not key:
            raise ValueError(f"{item!r} is no label; write it like site=berlin")
        found[key] = value
    return found


def port_fix(text: str) -> dict[str, Any]:
    """ "10.0.0.9" for the next port in order, or "4000=10.0.0.9" with a device key, MAC or label before it.

    Raises ValueError.
    """
    port, sign, address = (part.strip() for part in text.rpartition("="))
    if sign and not port:
        raise ValueError(f"{text!r} names no port before the '='; write it like 4000=10.0.0.9")
    return {"port": port or None, "address": str(parse_address(address))}


def port_fixes(text: str) -> list[dict[str, Any]]:
    """ "4000=10.0.0.9,2001:db8::9": a port by device key, MAC or label, and all its addresses.

    Raises ValueError.
    """
    port, sign, addresses = (part.strip() for part in text.rpartition("="))
    if not sign or not port or not addresses:
        raise ValueError(f"{text!r} is no port with its addresses; write it like 4000=10.0.0.9,10.0.0.10")
    return [{"port": port, "address": str(parse_address(one.strip()))} for one in addresses.split(",")]

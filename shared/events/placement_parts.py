"""Rules for the values in create-VM requests; each mistake is named by the field that has it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from shared.model.time_zones import windows_index, zone_name

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_DOMAIN_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
LONGEST_WINDOWS_NAME = 15
"""NetBIOS: Windows itself would cut a longer one, and two VMs could become one."""


def plain_name(name: str) -> str:
    """The name. Raises ValueError for one that people could not see or type."""
    if not name.strip() or name != name.strip():
        raise ValueError("a name neither begins nor ends with a space")
    if not name.isprintable():
        raise ValueError("a name has no control characters")
    return name


def host_name(text: str) -> str:
    """The host name. Raises ValueError unless it is one by RFC 1123 (a domain may follow)."""
    labels = text.rstrip(".").split(".")
    if len(text) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"{text!r} is not a host name: letters, digits and inner hyphens, at most 63 characters a label"
        )
    if labels[-1].isdecimal():
        raise ValueError(f"{text!r} is not a host name: the last label is a number")
    return text


def domain_name(text: str) -> str:
    """The domain without a dot at its end; underscores pass. Raises ValueError for what is none."""
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is not a domain; write it like example.net")
    return text.removesuffix(".")


def host_part(value: Any) -> Any:
    """The number that ".17", "17" or "::11" stands for; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    if value.startswith("::"):
        return int(ip_address(value))
    return value.removeprefix(".")


HostName = Annotated[str, AfterValidator(host_name)]
DomainName = Annotated[str, AfterValidator(domain_name)]
TimeZone = Annotated[str, AfterValidator(zone_name)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
LabelValue = Annotated[str, Field(max_length=200)]
Suffix = Annotated[int, Field(ge=1, lt=2**64), BeforeValidator(host_part)]


class NicLike(Protocol):
    """The fields of a NIC request that must agree."""

    @property
    def subnet(self) -> str | None: ...
    @property
    def wire(self) -> str | None: ...
    @property
    def family(self) -> str | None: ...
    @property
    def address(self) -> str | None: ...
    @property
    def suffix(self) -> int | None: ...
    @property
    def second_subnet(self) -> str | None: ...
    @property
    def second_address(self) -> str | None: ...
    @property
    def adapter(self) -> str: ...
    @property
    def physical_function(self) -> str | None: ...


def check_nic(nic: NicLike) -> None:
    """Raises ValueError where fields of a NIC request contradict each other."""
    if nic.subnet is not None and nic.wire is not None:
        raise ValueError("give a subnet or a wire, not both")
    if nic.address is not None and nic.suffix is not None:
        raise ValueError("give an address or a suffix, not both")
    if nic.family != "dual" and (nic.second_subnet is not None or nic.second_address is not None):
        raise ValueError("second_subnet and second_address need family dual")
    if nic.physical_function is not None and nic.adapter != "sriov":
        raise ValueError("physical_function needs adapter sriov")
    family = None if nic.address is None else f"ipv{ip_address(nic.address).version}"
    if family is not None and nic.family not in {None, "dual", family}:
        raise ValueError(f"address {nic.address} is {family}, family is {nic.family}")
    given = [ip_address(text).version for text in (nic.address, nic.second_address) if text is not None]
    if len(given) > len(set(given)):
        raise ValueError("address and second_address must be of different families")


class GuestLike(Protocol):
    """The fields of a guest that must agree."""

    @property
    def hostname(self) -> str | None: ...
    @property
    def os(self) -> str: ...
    @property
    def time_zone(self) -> str | None: ...


def check_guest(guest: GuestLike) -> None:
    """Raises ValueError for what Windows can't be told; Linux takes any."""
    if guest.os != "windows":
        return
    name = (guest.hostname or "").partition(".")[0]
    if len(name) > LONGEST_WINDOWS_NAME:
        raise ValueError(f"hostname {name!r} is longer than the {LONGEST_WINDOWS_NAME} characters of Windows")
    if name.isdecimal():
        raise ValueError(f"hostname {name!r}: a Windows computer can't be called by digits alone")
    if guest.time_zone is not None:
        windows_index(guest.time_zone)


class Identified(Protocol):
    """A request as far as a batch tells it from others."""

    @property
    def request_id(self) -> str: ...


def unrepeated(requests: Sequence[Identified]) -> Any:
    """The requests. Raises ValueError when two have the same request id."""
    twice = [key for key, count in Counter(item.request_id for item in requests).items() if count > 1]
    if twice:
        raise ValueError(f"{len(twice)} request ids occur more than once, the first is {twice[0]!r}")
    return requests

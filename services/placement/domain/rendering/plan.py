"""What a guest is to be told about its network, as plain values in no format yet.

One adapter per NIC, in the order of the answer. Netmasks are IPv4 text, prefixes numbers of bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal
from uuid import UUID

from services.placement.domain.rendering.names import hostname, windows_name
from shared.events.placement import Guest, PlacedNic, VmCreatePlaced
from shared.events.subnet import Route

Family = Literal["ipv4", "ipv6"]
_WRITTEN = {"ipv4": "IPv4", "ipv6": "IPv6"}
MISSING_DOMAIN = "localdomain"
"""What vSphere, which insists on a domain, is told where nobody stated one. No other format hears of it."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """An address as a guest is configured with it. `netmask` is None for IPv6."""

    family: Family
    address: str
    prefix: int
    netmask: str | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """Configuration of one NIC. With no addresses the guest asks for them by DHCP."""

    index: int
    mac: str | None
    addresses: tuple[Addressing, ...]
    dns: tuple[str, ...]
    domain: str | None
    mtu: int | None
    routes: tuple[Route, ...]

    def of(self, family: Family) -> tuple[Addressing, ...]:
        """Its addresses of one family."""
        return tuple(item for item in self.addresses if item.family == family)


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """All a guest is told. `dns` and `search_domains` hold for the whole guest."""

    reservation: UUID
    hostname: str
    domain: str
    os: Literal["linux", "windows"]
    time_zone: str | None
    dns: tuple[str, ...]
    search_domains: tuple[str, ...]
    ntp: tuple[str, ...]
    adapters: tuple[Adapter, ...]
    notes: tuple[str, ...]

    @property
    def adapters_are_known(self) -> bool:
        """Can the guest tell its adapters apart? It knows them by MAC alone."""
        return all(adapter.mac is not None for adapter in self.adapters)


def guest_plan(answer: VmCreatePlaced, macs: Mapping[int, str]) -> GuestPlan:
    """What the guest of a placed VM is to be told; `macs` by NIC fill in for those the answer left open.

    Only the first NIC that has a gateway of a family keeps it: two default routes are none. What the request
    says of domain, name servers and time servers wins over the subnets. A guest in no domain is in its first
    search domain, else in "localdomain".
    """
    guest = answer.guest
    placed = [address for nic in answer.nics for address in nic.addresses]
    domains = _domains(answer)
    search = _once([*guest.search_domains, *domains])
    name = hostname(guest.hostname, answer.name, answer.reservation)
    if guest.os == "windows":
        name = windows_name(name, answer.reservation)
    routed: set[Family] = set()
    adapters = tuple(_adapter(nic, nic.mac or macs.get(nic.index), guest, routed) for nic in answer.nics)
    plan = GuestPlan(
        reservation=answer.reservation,
        hostname=name,
        domain=next(iter([*domains, *search]), MISSING_DOMAIN),
        os=guest.os,
        time_zone=guest.time_zone,
        dns=guest.dns or _once(server for address in placed for server in address.dns),
        search_domains=search,
        ntp=guest.ntp or _once(server for address in placed for server in address.ntp),
        adapters=adapters,
        notes=(),
    )
    return _noted(plan, tuple(_notes(plan, guest.hostname or answer.name)))


def _domains(answer: VmCreatePlaced) -> list[str]:
    """The domains the guest is in, the first its own: the request's, the host name's, the subnets'."""
    stated = answer.guest.domain or (answer.guest.hostname or "").rstrip(".").partition(".")[2]
    found = [address.domain for nic in answer.nics for address in nic.addresses if address.domain]
    return [stated] if answer.guest.domain else [domain for domain in [stated, *found] if domain]


def _adapter(nic: PlacedNic, mac: str | None, guest: Guest, routed: set[Family]) -> Adapter:
    addressing: list[Addressing] = []
    for placed in nic.addresses:
        family = family_of(placed.address)
        gateway = placed.gateway if family not in routed else None
        if gateway is not None:
            routed.add(family)
        netmask = str(IPv4Network((0, placed.prefix)).netmask) if family == "ipv4" else None
        addressing.append(Addressing(family, placed.address, placed.prefix, netmask, gateway))
    return Adapter(
        index=nic.index,
        mac=mac,
        addresses=tuple(addressing),
        dns=guest.dns or _once(server for placed in nic.addresses for server in placed.dns),
        domain=guest.domain or next((placed.domain for placed in nic.addresses if placed.domain), None),
        mtu=min((placed.mtu for placed in nic.addresses if placed.mtu is not None), default=None),
        routes=tuple(dict.fromkeys(route for placed in nic.addresses for route in placed.routes)),
    )


def _notes(plan: GuestPlan, wanted: str) -> Iterator[str]:
    """What some format cannot say: nobody should have to find out inside the guest."""
    if plan.hostname.lower() != wanted.partition(".")[0].lower():
        yield f"the host name is {plan.hostname}: {wanted!r} as it stands is none that the guest can take"
    for adapter in plan.adapters:
        unsaid = ["static routes"] if adapter.routes else []
        unsaid += [f"MTU {adapter.mtu}"] if adapter.mtu is not None else []
        more = len(adapter.of("ipv4")) - 1
        unsaid += ["more than one IPv4 address"] if more > 0 else []
        if unsaid:
            yield f"NIC {adapter.index}: a CustomizationSpec can't carry {' and '.join(unsaid)}"
    if plan.ntp:
        yield f"a CustomizationSpec can't carry time servers: {', '.join(plan.ntp)}"
    if made_up := list(_insisted_on(plan)):
        yield f"a CustomizationSpec can't do without what nobody stated; it says {' and '.join(made_up)}"
    families = {item.family for adapter in plan.adapters for item in adapter.addresses}
    for server in plan.dns:
        if families and family_of(server) not in families:
            yield f"name server {server} is out of reach: no NIC has an {_WRITTEN[family_of(server)]} address"
    if plan.os == "linux" and not plan.adapters_are_known:
        open_macs = ", ".join(str(adapter.index) for adapter in plan.adapters if adapter.mac is None)
        yield f"no cloud-init and no keyfiles: vCenter is yet to choose the MAC of NIC {open_macs}"


def _insisted_on(plan: GuestPlan) -> Iterator[str]:
    if plan.domain == MISSING_DOMAIN:
        yield f"{'organisation' if plan.os == 'windows' else 'domain'} {MISSING_DOMAIN}"
    if plan.os == "windows" and plan.time_zone is None:
        yield "time zone UTC"


def _noted(plan: GuestPlan, notes: tuple[str, ...]) -> GuestPlan:
    values = {name: getattr(plan, name) for name in GuestPlan.__dataclass_fields__}
    return GuestPlan(**(values | {"notes": notes}))


def family_of(text: str) -> Family:
    """Of an address or a prefix, either in its canonical text."""
    return "ipv6" if ":" in text else "ipv4"


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))

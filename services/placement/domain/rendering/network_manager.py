"""NetworkManager's connections as keyfiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.placement.domain.rendering.plan import Adapter, Family, GuestPlan, family_of
from shared.events.guest_configuration import GuestFile
from shared.events.subnet import Route
from shared.model.identifiers import derive

FOLDER = "/etc/NetworkManager/system-connections"
PRIVATE = "0600"
"""NetworkManager ignores connections that others may read."""


def keyfiles(plan: GuestPlan) -> tuple[GuestFile, ...]:
    """One connection per NIC, for Linux, once the guest can tell its adapters apart."""
    if plan.os != "linux" or not plan.adapters_are_known:
        return ()
    return tuple(
        GuestFile(
            path=f"{FOLDER}/patchbay-nic{adapter.index}.nmconnection",
            mode=PRIVATE,
            content="\n".join(_lines(adapter, plan)) + "\n",
        )
        for adapter in plan.adapters
    )


def _lines(adapter: Adapter, plan: GuestPlan) -> Iterator[str]:
    yield "[connection]"
    yield f"id=patchbay-nic{adapter.index}"
    yield f"uuid={derive('connection', plan.reservation, adapter.index)}"
    yield "type=ethernet"
    yield ""
    yield "[ethernet]"
    yield f"mac-address={adapter.mac}"
    if adapter.mtu is not None:
        yield f"mtu={adapter.mtu}"
    # Without any address the guest asks for one; beside an IPv6 address IPv4 is not wanted.
    yield from _family("ipv4", adapter, plan, otherwise="disabled" if adapter.addresses else "auto")
    yield from _family("ipv6", adapter, plan, otherwise="link-local")


def _family(family: Family, adapter: Adapter, plan: GuestPlan, *, otherwise: str) -> Iterator[str]:
    addresses = adapter.of(family)
    yield ""
    yield f"[{family}]"
    yield f"method={'manual' if addresses else otherwise}"
    if not addresses:
        return
    for number, item in enumerate(addresses, 1):
        yield f"address{number}={item.address}/{item.prefix}"
    if gateway := next((item.gateway for item in addresses if item.gateway), None):
        yield f"gateway={gateway}"
    if servers := [server for server in adapter.dns if family_of(server) == family]:
        yield f"dns={_listed(servers)}"
    if plan.search_domains:
        yield f"dns-search={_listed(plan.search_domains)}"
    for number, route in enumerate(_routes(adapter, family), 1):
        yield f"route{number}={route.to},{route.via}"


def _routes(adapter: Adapter, family: Family) -> list[Route]:
    return [route for route in adapter.routes if family_of(route.to) == family]


def _listed(values: Sequence[str]) -> str:
    return "".join(f"{value};" for value in values)

"""cloud-init's metadata and network configuration, version 2."""

from __future__ import annotations

import json
from typing import Any

from services.placement.domain.rendering.plan import MISSING_DOMAIN, Adapter, GuestPlan
from shared.events.guest_configuration import CloudInit

DEFAULT_ROUTES = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
ANY_ETHERNET = "e*"
"""Where there is one adapter only: ens192, eth0, enp3s0 …"""


def cloud_init(plan: GuestPlan) -> CloudInit | None:
    """For Linux, once the guest can tell its adapters apart."""
    if plan.os != "linux" or not plan.adapters_are_known:
        return None
    return CloudInit(
        metadata={"instance-id": str(plan.reservation), "local-hostname": full_name(plan)},
        network_config={
            "version": 2,
            "ethernets": {f"nic{adapter.index}": _ethernet(adapter, plan) for adapter in plan.adapters},
        },
        vendor_data=_time_servers(plan),
    )


def full_name(plan: GuestPlan) -> str:
    """The host name with its domain, where there is one."""
    return plan.hostname if plan.domain == MISSING_DOMAIN else f"{plan.hostname}.{plan.domain}"


def _ethernet(adapter: Adapter, plan: GuestPlan) -> dict[str, Any]:
    match = {"macaddress": adapter.mac} if adapter.mac is not None else {"name": ANY_ETHERNET}
    content: dict[str, Any] = {"match": match, "dhcp4": not adapter.addresses, "dhcp6": False}
    if adapter.addresses:
        content["addresses"] = [f"{item.address}/{item.prefix}" for item in adapter.addresses]
    servers = {"search": list(plan.search_domains), "addresses": list(adapter.dns)}
    if named := {key: values for key, values in servers.items() if values}:
        content["nameservers"] = named
    if adapter.mtu is not None:
        content["mtu"] = adapter.mtu
    routes = [
        {"to": DEFAULT_ROUTES[item.family], "via": item.gateway} for item in adapter.addresses if item.gateway
    ]
    routes += [{"to": route.to, "via": route.via} for route in adapter.routes]
    if routes:
        content["routes"] = routes
    return content


def _time_servers(plan: GuestPlan) -> str | None:
    # JSON is YAML, and needs no decision on how to quote.
    document = {"ntp": {"enabled": True, "servers": list(plan.ntp)}}
    return f"#cloud-config\n{json.dumps(document, indent=2)}\n" if plan.ntp else None

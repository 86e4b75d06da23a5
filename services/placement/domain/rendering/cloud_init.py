"""cloud-init's metadata and network configuration, version 2."""

from __future__ import annotations

import json
from typing import Any

from services.placement.domain.rendering.plan import MISSING_DOMAIN, Adapter, GuestPlan
from shared.events.guest_configuration import CloudInit

# netplan prefers routes to ::/0, but cloud-init without netplan makes ::/64 of them (its issue 4600).
GATEWAYS = {"ipv4": "gateway4", "ipv6": "gateway6"}


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
    content: dict[str, Any] = {
        "match": {"macaddress": adapter.mac},
        # netplan alone goes by `match`: where cloud-init writes ifcfg files itself, the name must hold.
        "set-name": f"nic{adapter.index}",
        "dhcp4": not adapter.addresses,
        "dhcp6": False,
    }
    if adapter.addresses:
        content["addresses"] = [f"{item.address}/{item.prefix}" for item in adapter.addresses]
    servers = {"search": list(plan.search_domains), "addresses": list(adapter.dns)}
    if named := {key: values for key, values in servers.items() if values}:
        content["nameservers"] = named
    if adapter.mtu is not None:
        content["mtu"] = adapter.mtu
    content |= {GATEWAYS[item.family]: item.gateway for item in adapter.addresses if item.gateway}
    if adapter.routes:
        content["routes"] = [{"to": route.to, "via": route.via} for route in adapter.routes]
    return content


def _time_servers(plan: GuestPlan) -> str | None:
    # JSON is YAML, and needs no decision on how to quote.
    document = {"ntp": {"enabled": True, "servers": list(plan.ntp)}}
    return f"#cloud-config\n{json.dumps(document, indent=2)}\n" if plan.ntp else None

"""vSphere's customization of a guest, in the notation of the vSphere Web Services JSON API."""

from __future__ import annotations

from typing import Any

from services.placement.domain.rendering.plan import MISSING_DOMAIN, Adapter, GuestPlan
from shared.model.time_zones import UTC, windows_index

Json = dict[str, Any]


def customization(plan: GuestPlan) -> Json:
    """The CustomizationSpec that tells the guest its host name, addresses, gateways and name servers."""
    spec = {
        "identity": _windows(plan) if plan.os == "windows" else _linux(plan),
        "globalIPSettings": _typed(
            "GlobalIPSettings", dnsSuffixList=list(plan.search_domains), dnsServerList=list(plan.dns)
        ),
        "nicSettingMap": [_mapping(adapter, plan) for adapter in plan.adapters],
    }
    if plan.os == "windows":
        # A clone that kept its template's SID would share it with every other clone.
        spec["options"] = _typed("WinOptions", changeSID=True, deleteAccounts=False, reboot="reboot")
    return {"_typeName": "CustomizationSpec", **spec}


def _typed(kind: str, /, **values: object) -> Json:
    """An object of the type Customization`kind`; what is None or empty is left out."""
    kept = {key: value for key, value in values.items() if value is not None and value != []}
    return {"_typeName": f"Customization{kind}", **kept}


def _linux(plan: GuestPlan) -> Json:
    return _typed(
        "LinuxPrep",
        hostName=_typed("FixedName", name=plan.hostname),
        domain=plan.domain,
        timeZone=plan.time_zone,
        hwClockUTC=True,
    )


def _windows(plan: GuestPlan) -> Json:
    return _typed(
        "Sysprep",
        guiUnattended=_typed(
            "GuiUnattended",
            timeZone=windows_index(plan.time_zone or UTC),
            autoLogon=False,
            autoLogonCount=0,
        ),
        userData=_typed(
            "UserData",
            fullName=plan.hostname,
            orgName=plan.domain,
            computerName=_typed("FixedName", name=plan.hostname),
            # Required by the schema; empty leaves the template's volume licence in place.
            productId="",
        ),
        identification=_typed("Identification", joinWorkgroup="WORKGROUP"),
    )


def _mapping(adapter: Adapter, plan: GuestPlan) -> Json:
    ipv4, ipv6 = adapter.of("ipv4"), adapter.of("ipv6")
    settings: Json = {
        "dnsServerList": list(adapter.dns),
        "dnsDomain": adapter.domain or (plan.domain if plan.domain != MISSING_DOMAIN else None),
    }
    if ipv4:
        settings |= {
            "ip": _typed("FixedIp", ipAddress=ipv4[0].address),
            "subnetMask": ipv4[0].netmask,
            "gateway": [item.gateway for item in ipv4[:1] if item.gateway],
        }
    else:
        settings["ip"] = _typed("DisableIpV4" if ipv6 else "DhcpIpGenerator")
    if ipv6:
        settings["ipV6Spec"] = _typed(
            "IPSettingsIpV6AddressSpec",
            ip=[_typed("FixedIpV6", ipAddress=item.address, subnetMask=item.prefix) for item in ipv6],
            gateway=[item.gateway for item in ipv6 if item.gateway],
        )
    # Without a MAC the mapping pairs with the card in its place.
    return _typed("AdapterMapping", macAddress=adapter.mac, adapter=_typed("IPSettings", **settings))

"""From the guest's configuration to vSphere's customization of the guest."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from services.placement.domain.rendering import GuestAdapter, GuestConfiguration

_custom: Any = vim.vm.customization
WINDOWS_NAME_LENGTH = 15
WINDOWS_TIME_ZONE_UTC = 85
"""Microsoft's index of GMT without daylight saving."""


def specification(guest: GuestConfiguration) -> Any:
    """The customization that tells the guest its host name, addresses, gateways and name servers."""
    return _custom.Specification(
        identity=_windows(guest) if guest.os == "windows" else _linux(guest),
        globalIPSettings=_custom.GlobalIPSettings(
            dnsSuffixList=list(guest.search_domains), dnsServerList=list(guest.dns)
        ),
        nicSettingMap=[_adapter(adapter, guest) for adapter in guest.adapters],
    )


def _linux(guest: GuestConfiguration) -> Any:
    return _custom.LinuxPrep(
        hostName=_custom.FixedName(name=guest.hostname), domain=guest.domain, hwClockUTC=True
    )


def _windows(guest: GuestConfiguration) -> Any:
    name = guest.hostname[:WINDOWS_NAME_LENGTH].rstrip("-")
    return _custom.Sysprep(
        guiUnattended=_custom.GuiUnattended(
            timeZone=WINDOWS_TIME_ZONE_UTC, autoLogon=False, autoLogonCount=0
        ),
        userData=_custom.UserData(
            fullName=name, orgName=guest.domain, computerName=_custom.FixedName(name=name), productId=""
        ),
        identification=_custom.Identification(joinWorkgroup="WORKGROUP"),
    )


def _adapter(adapter: GuestAdapter, guest: GuestConfiguration) -> Any:
    settings = _custom.IPSettings(
        dnsServerList=list(adapter.dns) or None, dnsDomain=adapter.domain or guest.domain
    )
    ipv4 = [item for item in adapter.addresses if item.family == "ipv4"]
    ipv6 = [item for item in adapter.addresses if item.family == "ipv6"]
    if ipv4:
        settings.ip = _custom.FixedIp(ipAddress=ipv4[0].address)
        settings.subnetMask = ipv4[0].netmask
        settings.gateway = [item.gateway for item in ipv4 if item.gateway] or None
    else:
        settings.ip = _custom.DisableIpV4()
    if ipv6:
        settings.ipV6Spec = _custom.IPSettings.IpV6AddressSpec(
            ip=[_custom.FixedIpV6(ipAddress=item.address, subnetMask=item.prefix) for item in ipv6],
            gateway=[item.gateway for item in ipv6 if item.gateway] or None,
        )
    return _custom.AdapterMapping(macAddress=adapter.mac, adapter=settings)

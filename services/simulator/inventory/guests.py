"""guest.*: what Tools say, and what vCenter shows when they don't."""

from __future__ import annotations

from services.simulator.inventory.machines import GuestNic, VirtualMachine
from services.simulator.soap.values import Array, Data, Enum, Value, strings


def tools_running_status(vm: VirtualMachine) -> Value:
    """guest.toolsRunningStatus."""
    return "guestToolsRunning" if vm.guest.tools_running else "guestToolsNotRunning"


def tools_version_status(vm: VirtualMachine) -> Value:
    """guest.toolsVersionStatus2."""
    return "guestToolsUnmanaged" if vm.guest.tools_installed else "guestToolsNotInstalled"


def tools_status(vm: VirtualMachine) -> Value:
    """The older guest.toolsStatus."""
    if not vm.guest.tools_installed:
        state = "toolsNotInstalled"
    else:
        state = "toolsOk" if vm.guest.tools_running else "toolsNotRunning"
    return Enum("VirtualMachineToolsStatus", state)


def guest_net(vm: VirtualMachine) -> Value:
    """guest.net, empty while Tools are silent. Tools report at most 16 interfaces."""
    nics = vm.guest.nics[:16] if vm.guest.tools_running else ()
    return Array("GuestNicInfo", [_nic_info(vm, nic) for nic in nics])


def _nic_info(vm: VirtualMachine, nic: GuestNic) -> Data:
    addresses = [
        Data(
            "NetIpConfigInfoIpAddress",
            ipAddress=a.address,
            prefixLength=a.prefix,
            origin=a.origin,
            state=a.state,
        )
        for a in nic.addresses
    ]
    return Data(
        "GuestNicInfo",
        network=_network_name(vm, nic),
        ipAddress=strings([a.address for a in nic.addresses]),
        macAddress=nic.mac,
        connected=nic.connected,
        deviceConfigId=nic.device_key,
        ipConfig=Data("NetIpConfigInfo", ipAddress=Array("NetIpConfigInfoIpAddress", addresses)),
    )


def _network_name(vm: VirtualMachine, nic: GuestNic) -> str | None:
    if nic.device_key < 0:
        return nic.network
    card = vm.nic(nic.device_key)
    return card.network.name if card else None


def guest_stacks(vm: VirtualMachine) -> Value:
    """guest.ipStack: DNS and the routes of the guest, as one stack."""
    if not vm.guest.tools_running or not vm.guest.nics:
        return Array("GuestStackInfo", ())
    dns: dict[str, None] = {}
    routes: list[Value] = []
    for number, nic in enumerate(vm.guest.nics):
        dns.update(dict.fromkeys(nic.dns))
        if nic.gateway:
            network, prefix = ("::", 0) if ":" in nic.gateway else ("0.0.0.0", 0)  # noqa: S104  a route
            gateway = Data("NetIpRouteConfigInfoGateway", ipAddress=nic.gateway, device=str(number))
            routes.append(
                Data("NetIpRouteConfigInfoIpRoute", network=network, prefixLength=prefix, gateway=gateway)
            )
    stack = Data(
        "GuestStackInfo",
        dnsConfig=Data(
            "NetDnsConfigInfo",
            dhcp=False,
            hostName=vm.guest.host_name or "",
            domainName=vm.guest.domain,
            ipAddress=strings(list(dns)),
            searchDomain=strings([vm.guest.domain] if vm.guest.domain else []),
        ),
        ipRouteConfig=Data("NetIpRouteConfigInfo", ipRoute=Array("NetIpRouteConfigInfoIpRoute", routes)),
    )
    return Array("GuestStackInfo", (stack,))


def customization_info(vm: VirtualMachine) -> Value:
    """guest.customizationInfo: how far the last customization got."""
    return Data(
        "GuestInfoCustomizationInfo",
        customizationStatus=vm.guest.customization,
        startTime=vm.guest.customization_start,
        endTime=vm.guest.customization_end,
    )

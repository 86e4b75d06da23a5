"""VM properties, from pyVmomi's objects to plain values."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from pyVmomi import vim

from services.collector.domain.raw import Card, GuestIp, GuestNic, GuestStack
from services.collector.domain.spelling import option_reservation

_SRM = "com.vmware.vcDr"
"""Extension key (prefix) of Site Recovery Manager."""

_ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  a route's destination


def cards(devices: Any) -> tuple[Card, ...]:
    """The network devices among a VM's devices."""
    return tuple(
        _card(device) for device in devices or () if isinstance(device, vim.vm.device.VirtualEthernetCard)
    )


def _card(device: Any) -> Card:
    state = device.connectable
    return Card(
        key=device.key,
        label=card_label(device.key, device.deviceInfo),
        kind=type(device).__name__.rpartition(".")[2],
        mac=device.macAddress,
        connected=bool(state.connected) if state else False,
        **card_backing(device.backing)._asdict(),
    )


def card_label(key: int, info: Any) -> str:
    """What people call the card."""
    return (info.label if info else None) or f"device {key}"


class Plug(NamedTuple):
    """What a card is plugged into: a network, or a port of a distributed switch, or an opaque network."""

    network: str | None = None
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    port_key: str | None = None
    opaque_id: str | None = None


def card_backing(backing: Any) -> Plug:
    """What the card is plugged into; nothing where the API does not tell."""
    match backing:
        case vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo():
            port = backing.port
            return Plug(switch_uuid=port.switchUuid, portgroup_key=port.portgroupKey, port_key=port.portKey)
        case vim.vm.device.VirtualEthernetCard.NetworkBackingInfo():
            return Plug(network=moid(backing.network))
        case vim.vm.device.VirtualEthernetCard.OpaqueNetworkBackingInfo():
            return Plug(opaque_id=backing.opaqueNetworkId)
        case _:
            return Plug()


def guest_nics(nics: Any) -> tuple[GuestNic, ...]:
    """A guest's interfaces; addresses with details where there are any, the bare ones beside them."""
    return tuple(
        GuestNic(
            device_key=-1 if nic.deviceConfigId is None else nic.deviceConfigId,
            mac=nic.macAddress,
            connected=bool(nic.connected),
            addresses=_guest_ips(nic),
        )
        for nic in nics or ()
    )


def _guest_ips(nic: Any) -> tuple[GuestIp, ...]:
    detailed = [
        GuestIp(ip.ipAddress, ip.prefixLength, _word(ip.origin), _word(ip.state))
        for ip in (nic.ipConfig.ipAddress if nic.ipConfig else ())
    ]
    named = {ip.address.lower() for ip in detailed}
    return (*detailed, *(GuestIp(text) for text in nic.ipAddress or () if text.lower() not in named))


def guest_stacks(stacks: Any) -> tuple[GuestStack, ...]:
    """Name servers and default routes of a guest's IP stacks."""
    return tuple(
        GuestStack(
            dns=tuple(stack.dnsConfig.ipAddress or ()) if stack.dnsConfig else (),
            default_routes=_default_routes(stack.ipRouteConfig.ipRoute if stack.ipRouteConfig else ()),
        )
        for stack in stacks or ()
    )


def _default_routes(routes: Any) -> tuple[tuple[str, int | None], ...]:
    return tuple(
        (route.gateway.ipAddress, int(device) if (device := route.gateway.device or "").isdecimal() else None)
        for route in routes or ()
        if route.prefixLength == 0 and route.network in _ANYWHERE and route.gateway.ipAddress
    )


def reservation(option: Any) -> UUID | None:
    """The reservation that an option of a VM's extraConfig names."""
    value = option.value
    return option_reservation(value) if isinstance(value, str) else None


def placeholder(managed_by: Any) -> bool | None:
    """Whether Site Recovery Manager holds the VM's place for a failover."""
    if managed_by is None:
        return None
    return str(managed_by.extensionKey).startswith(_SRM) and managed_by.type == "placeholderVm"


def ft_secondary(info: Any) -> bool | None:
    """Whether the VM is the second one of a fault-tolerant pair."""
    return None if info is None else (info.role or 1) > 1


def moid(reference: Any) -> str | None:
    """Managed object id of a reference."""
    return None if reference is None else str(reference._moId)


def moids(references: Any) -> tuple[str, ...]:
    """Managed object ids of a list of references."""
    return tuple(str(reference._moId) for reference in references or ())


def _word(value: Any) -> str | None:
    return str(value) if value else None

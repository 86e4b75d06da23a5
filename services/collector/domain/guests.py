"""What a guest says of its addresses, reduced to what is about the VM's own devices and lasts.

Left out of the fact, and so no reason for one:
* interfaces that are no device of the VM (`deviceConfigId` -1): container bridges, VLANs, tunnels;
* IPv6 temporary addresses (origin "random"), which a guest replaces every day;
* link-local addresses (169.254/16, fe80::/10), which exist on every wire and are nobody's to manage;
* loopback, multicast, unspecified and unreadable addresses.
Addresses and interfaces are ordered, since Tools name them in no fixed order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from services.collector.domain.raw import Card, GuestIp, GuestNic, GuestStack
from services.collector.domain.spelling import HostAddress, host_address, mac_or_none
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.state import Vm
from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestPort, GuestRoute
from shared.events.guest import GuestStack as Stack

Ignored = Literal["foreign_device", "temporary_address", "link_local", "unreadable_address"]
TEMPORARY = "random"

_TOOLS: dict[str, Literal["running", "not_running", "executing_scripts"]] = {
    "guestToolsRunning": "running",
    "guestToolsNotRunning": "not_running",
    "guestToolsExecutingScripts": "executing_scripts",
}


class Reduced(NamedTuple):
    """A guest fact, and how many things were left out of it, by reason."""

    fact: GuestAddressesChanged
    ignored: Counter[Ignored]


def guest_addresses_changed(stamp: Stamp, vm: Vm) -> Reduced:
    """The fact about a VM's guest."""
    ignored: Counter[Ignored] = Counter()
    cards = {card.key: card for card in vm.cards or ()}
    nics = vm.guest_nics or ()
    owners = [owner_of(nic, cards) for nic in nics]
    ignored["foreign_device"] += owners.count(None)
    ports = tuple(
        _port(cards[key], [nic for nic, owner in zip(nics, owners, strict=True) if owner == key], ignored)
        for key in sorted({owner for owner in owners if owner is not None})
    )
    fact = GuestAddressesChanged(
        vcenter=stamp.vcenter,
        epoch=stamp.epoch,
        sequence=UNNUMBERED,
        moid=vm.moid,
        instance_uuid=vm.instance_uuid,
        tools=_TOOLS.get(vm.tools or "", "unknown"),
        hostname=vm.hostname or None,
        ports=ports,
        unplaced=_unplaced(vm, ports, nics, owners),
        routes=_routes(vm.guest_stacks or (), owners),
        dns=_name_servers(vm.guest_stacks or ()),
        stacks=_stacks(vm.guest_stacks or (), owners),
    )
    return Reduced(fact, +ignored)


def owner_of(nic: GuestNic, cards: Mapping[int, Card]) -> int | None:
    """Key of the device that an interface is; None when it is none of the VM's.

    -1 is final: a VLAN sub-interface carries its parent's MAC and is not its parent. A key that no device has
    (Tools of another configuration) leaves the MAC to decide, if exactly one device has it.
    """
    if nic.device_key in cards:
        return nic.device_key
    mac = mac_or_none(nic.mac)
    if nic.device_key == -1 or mac is None:
        return None
    keys = [key for key, card in cards.items() if mac_or_none(card.mac) == mac]
    return keys[0] if len(keys) == 1 else None


def _port(card: Card, nics: list[GuestNic], ignored: Counter[Ignored]) -> GuestPort:
    return GuestPort(
        key=card.key,
        mac=mac_or_none(card.mac),
        connected=any(nic.connected for nic in nics),
        addresses=_addresses((ip for nic in nics for ip in nic.addresses), ignored),
    )


def _addresses(ips: Iterable[GuestIp], ignored: Counter[Ignored]) -> tuple[GuestAddress, ...]:
    kept: dict[HostAddress, GuestIp] = {}
    for ip in ips:
        if ip.origin == TEMPORARY:
            ignored["temporary_address"] += 1
            continue
        address = host_address(ip.address)
        if address is None:
            ignored["unreadable_address"] += 1
        elif address.link_local:
            ignored["link_local"] += 1
        elif address not in kept or _detail(ip) > _detail(kept[address]):
            kept[address] = ip
    return tuple(
        GuestAddress(
            address=address.text,
            prefix=ip.prefix if ip.prefix is not None and 0 <= ip.prefix <= address.bits else None,
            origin=ip.origin,
            state=ip.state,
        )
        for address, ip in (sorted(kept.items()) if len(kept) > 1 else kept.items())
    )


def _detail(ip: GuestIp) -> tuple[bool, int, str, str]:
    """Of two statements about one address, the greater is kept: the fuller one, then any fixed one."""
    return (ip.prefix is not None, ip.prefix or 0, ip.origin or "", ip.state or "")


def _unplaced(
    vm: Vm, ports: tuple[GuestPort, ...], nics: tuple[GuestNic, ...], owners: list[int | None]
) -> str | None:
    address = host_address(vm.guest_address)
    if address is None or address.link_local or any(port.addresses for port in ports):
        return None
    foreign = {
        host_address(ip.address)
        for nic, owner in zip(nics, owners, strict=True)
        if owner is None
        for ip in nic.addresses
    }
    return None if address in foreign else address.text


def _stacks(stacks: tuple[GuestStack, ...], owners: list[int | None]) -> tuple[Stack, ...]:
    if len(stacks) < 2:
        return ()
    return tuple(Stack(routes=_routes((stack,), owners), dns=_name_servers((stack,))) for stack in stacks)


def _routes(stacks: Iterable[GuestStack], owners: list[int | None]) -> tuple[GuestRoute, ...]:
    routes: set[tuple[HostAddress, int]] = set()
    for stack in stacks:
        for text, position in stack.default_routes:
            gateway = host_address(text)
            if gateway is None:
                continue
            inside = position is not None and 0 <= position < len(owners)
            key = owners[position] if inside and position is not None else None
            if inside and key is None:
                continue  # a default route through an interface that is not the VM's
            routes.add((gateway, -1 if key is None else key))
    return tuple(
        GuestRoute(gateway=gateway.text, key=None if key == -1 else key) for gateway, key in sorted(routes)
    )


def _name_servers(stacks: Iterable[GuestStack]) -> tuple[str, ...]:
    servers = (host_address(text) for stack in stacks for text in stack.dns)
    return tuple(dict.fromkeys(server.text for server in servers if server is not None))

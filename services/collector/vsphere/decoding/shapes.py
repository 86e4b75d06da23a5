"""The values that make up nearly all of an answer, as the patterns in which vCenters write them.

A pattern is strict: the elements it knows, in the schema's order, written plainly. Anything else (another
order, an escaped character, a field that is newer than this) does not match, and the XML tree is asked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern
from typing import Any
from uuid import UUID

from pyVmomi import vim

from services.collector.domain.raw import Card, GuestIp, GuestNic, GuestStack
from services.collector.domain.spelling import option_reservation
from services.collector.vsphere.decoding.documents import Unfamiliar
from services.collector.vsphere.decoding.scalars import once
from services.collector.vsphere.decoding.unfamiliar import type_named

TEXT = r"[^<&\x00-\x08\x0b-\x1f\ufffe\uffff]*"
"""Element content that means itself: nothing escaped, no line ends to unify, nothing XML forbids."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\n\s*", "", text).replace("%", TEXT), re.ASCII)


_ANY_DEVICE: Any = vim.vm.device.VirtualDevice
_ANY_CARD: Any = vim.vm.device.VirtualEthernetCard
_ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  a route's destination

_DEVICE = _pattern(r'<VirtualDevice xsi:type="(\w+)">')
_DEVICE_OPENS, _DEVICE_ENDS = "<VirtualDevice", "</VirtualDevice>"
_CARD = _pattern(r"""<key>(-?\d+)</key>
    (?:<deviceInfo(?: xsi:type="Description")?><label>(%)</label><summary>%</summary></deviceInfo>)?
    (?:<backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port>
        <switchUuid>(%)</switchUuid>(?:<portgroupKey>(%)</portgroupKey>)?(?:<portKey>(%)</portKey>)?
        (?:<connectionCookie>-?\d+</connectionCookie>)?</port></backing>
    |<backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>%</deviceName>
        (?:<useAutoDetect>\w+</useAutoDetect>)?(?:<network type="\w+">(%)</network>)?
        (?:<inPassthroughMode>\w+</inPassthroughMode>)?</backing>
    |<backing xsi:type="VirtualEthernetCardOpaqueNetworkBackingInfo"><opaqueNetworkId>(%)</opaqueNetworkId>
        <opaqueNetworkType>%</opaqueNetworkType></backing>)?
    (?:<connectable>(?:<migrateConnect>\w*</migrateConnect>)?<startConnected>\w+</startConnected>
        <allowGuestControl>\w+</allowGuestControl><connected>(true|false)</connected>
        (?:<status>\w*</status>)?</connectable>)?
    (?:<slotInfo xsi:type="VirtualDevicePciBusSlotInfo"><pciSlotNumber>-?\d+</pciSlotNumber></slotInfo>)?
    (?:<controllerKey>-?\d+</controllerKey>)?(?:<unitNumber>-?\d+</unitNumber>)?
    (?:<numaNode>-?\d+</numaNode>)?(?:<addressType>%</addressType>)?(?:<macAddress>(%)</macAddress>)?
    (?:<wakeOnLanEnabled>\w+</wakeOnLanEnabled>)?
    (?:<resourceAllocation><reservation>-?\d+</reservation><share><shares>-?\d+</shares>
        <level>\w+</level></share><limit>-?\d+</limit></resourceAllocation>)?
    (?:<externalId>%</externalId>)?(?:<uptCompatibilityEnabled>\w+</uptCompatibilityEnabled>)?
    (?:<subnetId>%</subnetId>)?</VirtualDevice>""")

_DNS = r"""<dnsConfig><dhcp>\w+</dhcp><hostName>%</hostName><domainName>%</domainName>
    ({}(?:<ipAddress>%</ipAddress>)*)(?:<searchDomain>%</searchDomain>)*</dnsConfig>"""
_IP = r"""<ipAddress><ipAddress>({}%)</ipAddress><prefixLength>({}\d+)</prefixLength>
    (?:<origin>({}\w*)</origin>)?(?:<state>({}\w*)</state>)?(?:<lifetime>[^<&]*</lifetime>)?</ipAddress>"""
_ROUTE = r"""<ipRoute><network>({}%)</network><prefixLength>({}\d+)</prefixLength><gateway>
    (?:<ipAddress>({}%)</ipAddress>)?(?:<device>({}%)</device>)?</gateway></ipRoute>"""


def _silent(pattern: str) -> str:
    """The pattern with none of its groups captured."""
    return pattern.replace("({}", "(?:")


def _telling(pattern: str) -> str:
    return pattern.replace("({}", "(")


_GUEST_NIC = _pattern(rf"""<GuestNicInfo>(?:<network>%</network>)?((?:<ipAddress>%</ipAddress>)*)
    (?:<macAddress>(%)</macAddress>)?<connected>(true|false)</connected>
    <deviceConfigId>(-?\d+)</deviceConfigId>(?:{_silent(_DNS)})?
    (?:<ipConfig>((?:{_silent(_IP)})*)(?:<autoConfigurationEnabled>\w+</autoConfigurationEnabled>)?
    </ipConfig>)?</GuestNicInfo>""")
_GUEST_STACK = _pattern(rf"""<GuestStackInfo>(?:{_telling(_DNS)})?
    (?:<ipRouteConfig>((?:{_silent(_ROUTE)})*)</ipRouteConfig>)?
    (?:<ipStackConfig><key>%</key><value>%</value></ipStackConfig>)*</GuestStackInfo>""")
_BARE_IP = _pattern("<ipAddress>(%)</ipAddress>")
_DETAILED_IP = _pattern(_telling(_IP))
_A_ROUTE = _pattern(_telling(_ROUTE))
_A_REFERENCE = _pattern(r'<ManagedObjectReference type="\w+">(%)</ManagedObjectReference>')
_AN_OPTION = _pattern('<key>%</key><value xsi:type="xsd:string">(%)</value>')


@lru_cache(maxsize=1024)
def is_card(type_name: str) -> bool | None:
    """Whether devices of this type are network cards; None for a type nobody knows."""
    known = type_named(type_name)
    return None if known is None or not issubclass(known, _ANY_DEVICE) else bool(issubclass(known, _ANY_CARD))


def cards(text: str, at: int) -> tuple[tuple[Card, ...], int, int]:
    """The network cards among the devices that begin at `at`; how many devices, and where they end."""
    found: list[Card] = []
    number = 0
    while (device := _DEVICE.match(text, at)) is not None:
        number += 1
        kind, begin = intern(device[1]), device.end()
        judged = is_card(kind)
        if judged is None:
            raise Unfamiliar
        if judged:
            shape = _CARD.match(text, begin)
            if shape is None:
                raise Unfamiliar
            found.append(_card(kind, shape))
            at = shape.end()
        else:
            end = text.find(_DEVICE_ENDS, begin)
            if end < 0 or text.find(_DEVICE_OPENS, begin, end) >= 0:
                raise Unfamiliar
            at = end + len(_DEVICE_ENDS)
    return tuple(found), number, at


def _card(kind: str, shape: re.Match[str]) -> Card:
    key, label, switch, group, port, network, opaque, connected, mac = shape.groups()
    return Card(
        key=int(key),
        label=once(label) or f"device {key}",
        kind=kind,
        mac=mac,
        connected=connected == "true",
        network=once(network),
        switch_uuid=once(switch),
        portgroup_key=once(group),
        port_key=port,
        opaque_id=once(opaque),
    )


def guest_nics(text: str, at: int) -> tuple[tuple[GuestNic, ...], int, int]:
    """The guest's interfaces that begin at `at`; how many, and where they end."""
    found: list[GuestNic] = []
    while (shape := _GUEST_NIC.match(text, at)) is not None:
        bare, mac, connected, key, detailed = shape.groups()
        details = [
            GuestIp(address, int(prefix), origin or None, state or None)
            for address, prefix, origin, state in _DETAILED_IP.findall(detailed or "")
        ]
        named = {ip.address.lower() for ip in details}
        others = [GuestIp(ip) for ip in _BARE_IP.findall(bare) if ip.lower() not in named]
        found.append(GuestNic(int(key), mac, connected == "true", (*details, *others)))
        at = shape.end()
    return tuple(found), len(found), at


def guest_stacks(text: str, at: int) -> tuple[tuple[GuestStack, ...], int, int]:
    """The guest's IP stacks that begin at `at`; how many, and where they end."""
    found: list[GuestStack] = []
    while (shape := _GUEST_STACK.match(text, at)) is not None:
        servers, routes = shape.groups()
        ways = tuple(
            (gateway, int(device) if device.isdecimal() else None)
            for network, prefix, gateway, device in _A_ROUTE.findall(routes or "")
            if int(prefix) == 0 and network in _ANYWHERE and gateway
        )
        found.append(GuestStack(tuple(_BARE_IP.findall(servers or "")), ways))
        at = shape.end()
    return tuple(found), len(found), at


def references(text: str, at: int) -> tuple[tuple[str, ...], int, int]:
    """The ids of the managed objects that begin at `at`; how many, and where they end."""
    found: list[str] = []
    while (shape := _A_REFERENCE.match(text, at)) is not None:
        found.append(shape[1])
        at = shape.end()
    return tuple(found), len(found), at


def option(text: str, at: int) -> tuple[UUID | None, int, int]:
    """The reservation that the option at `at` names; that it is one, and where it ends."""
    shape = _AN_OPTION.match(text, at)
    if shape is None:
        raise Unfamiliar
    return option_reservation(shape[1]), 1, shape.end()

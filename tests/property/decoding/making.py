"""Answers of a vCenter that never was: any values of all the types that are watched, written by pyVmomi."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl
from pyVmomi.SoapAdapter import SOAP_NSMAP, SerializeToStr
from pyVmomi.VmomiSupport import (
    F_OPTIONAL,
    DataObject,
    Enum,
    GetServiceVersions,
    ManagedObject,
    Object,
)

from services.collector.vsphere.decoding.unfamiliar import type_named
from services.collector.vsphere.paths import WATCHED

vim: Any = typed_vim
vmodl: Any = typed_vmodl
serialize: Any = SerializeToStr
newest: Any = GetServiceVersions
typed_object: Any = Object
COLLECTOR = vmodl.query.PropertyCollector
DEVICE = vim.vm.device
CARD = DEVICE.VirtualEthernetCard
DVS = vim.dvs.VmwareDistributedVirtualSwitch

KINDS: dict[Any, list[Any]] = {
    DEVICE.VirtualDevice: [
        DEVICE.VirtualVmxnet3,
        DEVICE.VirtualVmxnet3,
        DEVICE.VirtualE1000,
        DEVICE.VirtualE1000e,
        DEVICE.VirtualPCNet32,
        DEVICE.VirtualVmxnet2,
        DEVICE.VirtualVmxnet3Vrdma,
        DEVICE.VirtualSriovEthernetCard,
        DEVICE.VirtualDisk,
        DEVICE.VirtualCdrom,
        DEVICE.ParaVirtualSCSIController,
        DEVICE.VirtualKeyboard,
        DEVICE.VirtualDevice,
    ],
    DEVICE.VirtualDevice.BackingInfo: [
        CARD.NetworkBackingInfo,
        CARD.DistributedVirtualPortBackingInfo,
        CARD.DistributedVirtualPortBackingInfo,
        CARD.OpaqueNetworkBackingInfo,
        CARD.LegacyNetworkBackingInfo,
        DEVICE.VirtualDisk.FlatVer2BackingInfo,
    ],
    DEVICE.VirtualDevice.BusSlotInfo: [DEVICE.VirtualDevice.PciBusSlotInfo],
    vim.vm.FaultToleranceConfigInfo: [
        vim.vm.FaultToleranceConfigInfo,
        vim.vm.FaultTolerancePrimaryConfigInfo,
        vim.vm.FaultToleranceSecondaryConfigInfo,
    ],
    vim.dvs.DistributedVirtualPort.Setting: [
        DVS.VmwarePortConfigPolicy,
        DVS.VmwarePortConfigPolicy,
        vim.dvs.DistributedVirtualPort.Setting,
    ],
    DVS.VlanSpec: [DVS.TrunkVlanSpec, DVS.PvlanSpec, DVS.VlanIdSpec, DVS.VlanSpec],
    vim.DistributedVirtualSwitch.UplinkPortPolicy: [
        vim.DistributedVirtualSwitch.NameArrayUplinkPortPolicy,
        vim.DistributedVirtualSwitch.UplinkPortPolicy,
    ],
    vim.DistributedVirtualSwitch.ConfigInfo: [DVS.ConfigInfo],
    vim.dvs.HostMember.Backing: [vim.dvs.HostMember.PnicBacking, vim.dvs.HostMember.Backing],
    vim.Network.Summary: [vim.OpaqueNetwork.Summary, vim.Network.Summary],
}
"""What a field of a declared type may really hold; other types hold themselves."""

PARTS: dict[str, Any] = {
    "config.hardware.device[4000]": DEVICE.VirtualDevice,
    "config.hardware.device[4000].macAddress": str,
    "config.hardware.device[4000].connectable": DEVICE.VirtualDevice.ConnectInfo,
    "config.hardware.device[4000].connectable.connected": bool,
    "config.hardware.device[4000].deviceInfo": vim.Description,
    "config.hardware.device[4000].deviceInfo.label": str,
    "config.hardware.device[4000].backing": DEVICE.VirtualDevice.BackingInfo,
    "config.hardware.device[4000].backing.network": vim.Network,
    "config.hardware.device[4000].backing.port": vim.dvs.PortConnection,
    "config.hardware.device[4000].backing.port.portKey": str,
    "config.hardware.device[4000].backing.deviceName": str,
    "config.hardware.device[4000].unitNumber": int,
    "config.hardware.device": DEVICE.VirtualDevice.Array,
    'config.extraConfig["guestinfo.patchbay.reservation"].value': str,
    'config.extraConfig["guestinfo.other"]': vim.option.OptionValue,
    "guest.net[4000].ipAddress": str,
    "guest.disk[1]": str,
}
"""Places below a VM's properties, as changes name them when lists are told of in parts."""

FAULTS = (
    vim.fault.NotAuthenticated,
    vim.fault.NoPermission,
    vmodl.fault.ManagedObjectNotFound,
    vmodl.fault.NotSupported,
)
WORDS = (
    *("", "10.0.0.4", "FE80::1", "fe80::1", "2001:db8::5", "::", "0", "1", "dhcp", "preferred"),
    "0.0.0.0",  # noqa: S104  a route's destination
    *("00:50:56:80:00:01", "dvportgroup-9", "50 01 02", "management", "placeholderVm", "com.vmware.vcDr-1"),
    *("564d2e49-9a10-4b5c-8b2e-6a1b8d9c0e01", "VM Network", "a<b>&'\"", "a%2fb", " padded ", "line\nline"),
    *("Straße 東京", "patchbay-reservation: 564d2e49-9a10-4b5c-8b2e-6a1b8d9c0e01", "loadbalance_srcid", "]]"),
)
_SKIPPED = frozenset({"dynamicType", "dynamicProperty", "msg", "faultCause", "faultMessage"})
_WHEN = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


class Maker:
    """Makes values of pyVmomi's types, out of some words."""

    def __init__(self, seed: int, words: Sequence[str]) -> None:
        self._random = random.Random(seed)  # noqa: S311  not for secrets
        self._words = (*WORDS, *words)

    def likely(self, chance: float) -> bool:
        return self._random.random() < chance

    def one_of(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)

    def value(self, kind: Any, depth: int = 5) -> Any:
        """A value of a declared type; None for types that nobody reads."""
        if issubclass(kind, list):
            items = [self.value(kind.Item, depth - 1) for _ in range(self._random.choice((0, 1, 1, 2, 3)))]
            return kind([item for item in items if item is not None])
        if issubclass(kind, DataObject):
            return self.data(self.one_of(KINDS.get(kind, [kind])), depth)
        if kind is object:
            return self._simple(self.one_of((str, str, str, int, bool)))
        if issubclass(kind, ManagedObject):
            return kind(f"moid-{self._random.randrange(9)}")
        return self._simple(kind)

    def data(self, kind: Any, depth: int) -> Any:
        """A data object with all that it needs, and some of what it may have."""
        made = kind()
        for info in kind._GetPropertyList():
            if info.name in _SKIPPED:
                continue
            optional = bool(info.flags & F_OPTIONAL)
            if optional and (depth <= 0 or self.likely(0.3)):
                continue
            value = self.value(info.type, depth - 1)
            while not optional and isinstance(value, list) and not value:
                value = self.value(info.type, depth - 1)
            if value is not None:
                setattr(made, info.name, value)
        return made

    def _simple(self, kind: Any) -> Any:
        if issubclass(kind, Enum):
            return self.one_of([word for word in kind.values if not word.startswith("__")])
        if issubclass(kind, bool):
            return self.likely(0.5)
        if issubclass(kind, int):
            return kind(self.one_of((0, 1, 2, 24, 64, 127)))
        if issubclass(kind, str):
            return kind(self.one_of(self._words))
        return _WHEN if issubclass(kind, datetime) else None


def declared(type_name: str, path: str) -> Any:
    """The type that the API declares for a property path."""
    if path.endswith("]"):
        return declared(type_name, path.partition("[")[0]).Item
    kind = type_named(type_name)
    for step in path.split("."):
        [kind] = [kind] if kind not in KINDS or not issubclass(kind, DataObject) else KINDS[kind][:1]
        kind = kind._GetPropertyInfo(step).type
    return kind


def _paths() -> Iterator[tuple[str, str]]:
    return ((name, path) for name, watched in WATCHED.items() for path in watched.fields)


EVERY_PATH = tuple(_paths())


def envelope(update_set: Any) -> bytes:
    """The answer as a vCenter writes it."""
    version = newest("vim25")[0]
    namespaces = SOAP_NSMAP | {"urn:vim25": ""}
    info = typed_object(name="returnval", type=COLLECTOR.UpdateSet, version=version, flags=0)
    written: str = serialize(update_set, info, version, namespaces)
    declared_there = " ".join(f'xmlns:{prefix}="{uri}"' for uri, prefix in SOAP_NSMAP.items())
    text = written.replace(f' versionId="{version.rpartition(".v")[2].replace("_", ".")}"', "", 1)
    text = _as_vcenters_write(text)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope {declared_there}>\n<soapenv:Body>\n'
        f'<WaitForUpdatesExResponse xmlns="urn:vim25">{text}</WaitForUpdatesExResponse>\n'
        "</soapenv:Body>\n</soapenv:Envelope>"
    ).encode()


def _as_vcenters_write(text: str) -> str:
    return re.sub(
        r' xsi:type="ManagedObject" type="(\w+)"', r' type="\1" xsi:type="ManagedObjectReference"', text
    )


def update_set(maker: Maker) -> Any:
    """An answer with a few objects of any watched type."""
    return COLLECTOR.UpdateSet(
        version=maker.one_of(("1", "12,0", "-")),
        truncated=maker.one_of((None, True, False)),
        filterSet=[filter_update(maker) for _ in range(maker.one_of((1, 1, 2)))],
    )


def filter_update(maker: Maker) -> Any:
    missing = [
        COLLECTOR.MissingObject(obj=vim.VirtualMachine("vm-9"), fault=maker.data(maker.one_of(FAULTS), 1))
        for _ in range(maker.one_of((0, 0, 0, 1)))
    ]
    return COLLECTOR.FilterUpdate(
        filter=COLLECTOR.Filter("session[1]filter-1"),
        objectSet=[object_update(maker) for _ in range(maker.one_of((0, 1, 2, 3)))],
        missingSet=missing,
    )


def object_update(maker: Maker, type_name: str | None = None) -> Any:
    """What happened to an object: some watched properties, some missing ones."""
    name = type_name or maker.one_of([*WATCHED, "VirtualMachine", "VirtualMachine", "ResourcePool"])
    paths = [path for kind, path in EVERY_PATH if kind == name]
    absent = [path for path in paths if maker.likely(0.02)]
    changes = [change(maker, path, declared(name, path)) for path in paths if maker.likely(0.7)]
    if name == "VirtualMachine" and maker.likely(0.4):
        changes += [change(maker, path, kind) for path, kind in PARTS.items() if maker.likely(0.3)]
    return COLLECTOR.ObjectUpdate(
        kind=maker.one_of(("enter", "enter", "modify", "leave")),
        obj=type_named(name)("moid-1"),
        changeSet=changes,
        missingSet=[
            COLLECTOR.MissingProperty(path=path, fault=maker.data(maker.one_of(FAULTS), 1)) for path in absent
        ],
    )


def change(maker: Maker, path: str, kind: Any) -> Any:
    """What happened to one property, or a place below one."""
    op = maker.one_of(("assign",) * 12 + ("add", "remove", "indirectRemove"))
    value = maker.value(kind) if op in {"assign", "add"} else None
    return COLLECTOR.Change(name=path, op=op, val=None if maker.likely(0.05) else value)


words = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=12), max_size=3
)
makers = st.builds(Maker, st.integers(0, 2**32), words)
answers = makers.map(lambda maker: envelope(update_set(maker)))

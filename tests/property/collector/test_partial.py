"""Partial updates, whole ones and a full read: whatever changes, all three lead to the same devices."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl

from services.collector.domain.changes import Page
from services.collector.domain.mirror import Mirror
from services.collector.vsphere.decoding.answers import decode_page
from services.collector.vsphere.reading import read_page
from tests.property.decoding.making import envelope
from tests.unit.collector.making import STAMP

vim: Any = typed_vim
vmodl: Any = typed_vmodl
COLLECTOR = vmodl.query.PropertyCollector
DEVICE = vim.vm.device
CARD = DEVICE.VirtualEthernetCard
DEVICES = "config.hardware.device"
KEYS = st.sampled_from([4000, 4001, 4002, 2000])
MACS = st.sampled_from(["00:50:56:00:00:01", "00:50:56:00:00:02", None])
LABELS = st.sampled_from(["Network adapter 1", "eth", None])


def card_backings() -> st.SearchStrategy[Any]:
    ports = st.builds(
        vim.dvs.PortConnection,
        switchUuid=st.sampled_from(["50 01", "50 02"]),
        portgroupKey=st.sampled_from(["dvportgroup-1", "dvportgroup-2"]),
        portKey=st.sampled_from(["1", "2"]),
    )
    return st.one_of(
        st.builds(CARD.DistributedVirtualPortBackingInfo, port=ports),
        st.sampled_from(["5f2c", "6a1e"]).map(
            lambda segment: CARD.OpaqueNetworkBackingInfo(
                opaqueNetworkId=segment, opaqueNetworkType="nsx.LogicalSwitch"
            )
        ),
        st.sampled_from(["network-1", "network-2"]).map(
            lambda moid: CARD.NetworkBackingInfo(deviceName="VM Network", network=vim.Network(moid))
        ),
    )


def device(key: int, draw: st.DrawFn) -> Any:
    if key == 2000:
        return DEVICE.VirtualDisk(key=key, backing=DEVICE.VirtualDisk.FlatVer2BackingInfo(fileName="a"))
    label = draw(LABELS)
    return DEVICE.VirtualVmxnet3(
        key=key,
        deviceInfo=vim.Description(label=label, summary="") if label else None,
        backing=draw(card_backings()),
        connectable=DEVICE.VirtualDevice.ConnectInfo(
            startConnected=True, allowGuestControl=True, connected=draw(st.booleans())
        ),
        macAddress=draw(MACS),
    )


def change(path: str, op: str, value: Any = None) -> Any:
    return COLLECTOR.Change(name=path, op=op, val=value)


class Hardware:
    """A VM's devices, and how a vCenter would tell of what becomes of them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.devices: dict[int, Any] = {}
        for key in draw(st.sets(KEYS)):
            self.devices[key] = device(key, draw)

    def whole(self) -> Any:
        return change(DEVICES, "assign", DEVICE.VirtualDevice.Array(list(self.devices.values())))

    def act(self) -> Any:
        """Change something; what is said of it with partial updates."""
        key = self._draw(KEYS)
        place = f"{DEVICES}[{key}]"
        if key not in self.devices:
            self.devices[key] = device(key, self._draw)
            return change(place, "add", self.devices[key])
        what = self._draw(st.sampled_from(["remove", "assign", "field", "whole"]))
        if what == "remove":
            del self.devices[key]
            return change(place, self._draw(st.sampled_from(["remove", "indirectRemove"])))
        if what == "assign":
            self.devices[key] = device(key, self._draw)
            return change(place, "assign", self.devices[key])
        if what == "whole":
            return self.whole()
        return self._field(place, self.devices[key], key)

    def _field(self, place: str, there: Any, key: int) -> Any:
        if key == 2000:
            there.capacityInKB = 7
            return change(f"{place}.capacityInKB", "assign", 7)
        what = self._draw(st.sampled_from(["connected", "mac", "backing", "label", "port", "unit"]))
        if what == "connected" and there.connectable is not None:
            there.connectable.connected = not there.connectable.connected
            return change(f"{place}.connectable.connected", "assign", there.connectable.connected)
        if what == "mac":
            there.macAddress = self._draw(MACS)
            return change(f"{place}.macAddress", "assign" if there.macAddress else "remove", there.macAddress)
        if what == "backing":
            there.backing = self._draw(card_backings())
            return change(f"{place}.backing", "assign", there.backing)
        if what == "label" and there.deviceInfo is not None:
            there.deviceInfo.label = "another"
            return change(f"{place}.deviceInfo.label", "assign", "another")
        if what == "port" and isinstance(there.backing, CARD.DistributedVirtualPortBackingInfo):
            there.backing.port.portKey = "99"
            return change(f"{place}.backing.port.portKey", "assign", "99")
        there.unitNumber = 3
        return change(f"{place}.unitNumber", "assign", 3)


def answer(*changes: Any, kind: str = "modify", moid: str = "vm-1") -> Any:
    update = COLLECTOR.ObjectUpdate(
        kind=kind, obj=vim.VirtualMachine(moid), changeSet=list(changes), missingSet=[]
    )
    held = COLLECTOR.FilterUpdate(filter=COLLECTOR.Filter("filter-1"), objectSet=[update], missingSet=[])
    return COLLECTOR.UpdateSet(version="1", filterSet=[held], truncated=False)


def page(update_set: Any, own_decoder: bool) -> Page:
    if not own_decoder:
        return read_page(update_set)
    decoded = decode_page(envelope(update_set))
    assert decoded is not None
    return decoded


def facts(mirror: Mirror) -> dict[str, Any]:
    return {item.fact.TYPE: item.fact.model_dump(exclude={"sequence"}) for item in mirror.news()}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Any]], Any]:
    """Rounds of changes as told, and the devices in the end; the first round is the full read."""
    hardware = Hardware(draw)
    rounds: list[list[Any]] = [[change("name", "assign", "a"), _copy(hardware.whole())]]
    rounds += [
        [_copy(hardware.act()) for _ in range(draw(st.integers(1, 4)))]
        for _ in range(draw(st.integers(0, 5)))
    ]
    return rounds, hardware.whole()


def _copy(told: Any) -> Any:
    """As it is now: the devices go on changing."""
    return deepcopy(told)


@given(histories(), st.booleans())
def test_partial_updates_add_up_to_a_full_read(
    history: tuple[list[list[Any]], Any], own_decoder: bool
) -> None:
    rounds, devices = history
    mirror, held = Mirror(STAMP), {}
    for number, changes in enumerate(rounds):
        mirror.apply(page(answer(*changes, kind="modify" if number else "enter"), own_decoder).changes)
        assert mirror.take_stale() == []
        held.update(facts(mirror))
    fresh = Mirror(STAMP)
    fresh.apply(page(answer(change("name", "assign", "a"), devices, kind="enter"), own_decoder).changes)
    assert held == facts(fresh)


@given(
    st.sampled_from(
        [
            f"{DEVICES}[4000].backing.sliceOfBread",
            f"{DEVICES}[x]",
            f'{DEVICES}["4000"].macAddress',
            f"{DEVICES}.4000",
            "guest.net[4000].ipAddress[0]",
            'guest.ipStack["a"]',
            "config.annotation.text",
            "config.managedBy.type",
        ]
    ),
    st.booleans(),
)
def test_what_is_not_understood_makes_the_object_stale_and_changes_nothing(
    path: str, own_decoder: bool
) -> None:
    mirror = Mirror(STAMP)
    devices = DEVICE.VirtualDevice.Array([DEVICE.VirtualVmxnet3(key=4000, macAddress="00:50:56:00:00:01")])
    enter = answer(change("name", "assign", "a"), change(DEVICES, "assign", devices), kind="enter")
    mirror.apply(page(enter, own_decoder).changes)
    assert facts(mirror)
    mirror.apply(page(answer(change(path, "assign", "x")), own_decoder).changes)
    assert mirror.take_stale() == [("vm", "", "vm-1")]
    assert (facts(mirror), mirror.take_stale()) == ({}, [])


@given(st.sampled_from(["summary.quickStats.uptimeSeconds", "config", "configuration[1]", "guest"]))
def test_what_nobody_asked_for_is_stepped_over(path: str) -> None:
    mirror = Mirror(STAMP)
    mirror.apply(
        page(answer(change("name", "assign", "a"), change(path, "assign", 1), kind="enter"), True).changes
    )
    assert mirror.take_stale() == []


def test_an_element_of_a_list_that_was_never_read_makes_the_object_stale() -> None:
    mirror = Mirror(STAMP)
    mirror.apply(page(answer(change("name", "assign", "a"), kind="enter"), True).changes)
    mirror.apply(
        page(answer(change(f"{DEVICES}[4000].macAddress", "assign", "00:50:56:00:00:01")), True).changes
    )
    assert mirror.take_stale() == [("vm", "", "vm-1")]

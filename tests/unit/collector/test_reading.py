"""From pyVmomi's answers to plain values, and the signs counted on the way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl

from services.collector.domain.changes import Signs
from services.collector.domain.patches import STALE
from services.collector.domain.raw import GuestIp
from services.collector.vsphere.faults import sight_lost_by
from services.collector.vsphere.paths import OPTION_PATH
from services.collector.vsphere.reading import read_page

vim: Any = typed_vim
vmodl: Any = typed_vmodl
COLLECTOR = vmodl.query.PropertyCollector
DEVICE = vim.vm.device
CARD = vim.vm.device.VirtualEthernetCard
GUEST = vim.vm.GuestInfo
NET = vim.net
FAULTS = vim.fault


def entry(kind: str, reference: Any, values: dict[str, Any], missing: dict[str, Any] | None = None) -> Any:
    return COLLECTOR.ObjectUpdate(
        kind=kind,
        obj=reference,
        changeSet=[COLLECTOR.Change(name=path, op="assign", val=value) for path, value in values.items()],
        missingSet=[
            COLLECTOR.MissingProperty(path=path, fault=fault) for path, fault in (missing or {}).items()
        ],
    )


def page_of(*entries: Any, truncated: bool | None = None) -> Any:
    update = COLLECTOR.FilterUpdate(
        filter=vmodl.query.PropertyCollector.Filter("filter-1"), objectSet=list(entries), missingSet=[]
    )
    return read_page(COLLECTOR.UpdateSet(version="1", filterSet=[update], truncated=truncated))


def vm(moid: str = "vm-1") -> Any:
    return vim.VirtualMachine(moid)


def card(key: int, backing: Any) -> Any:
    return DEVICE.VirtualVmxnet3(
        key=key,
        deviceInfo=vim.Description(label="Network adapter 1", summary=""),
        backing=backing,
        connectable=DEVICE.VirtualDevice.ConnectInfo(
            startConnected=True, allowGuestControl=True, connected=True
        ),
        macAddress="00:50:56:80:00:01",
    )


def fields_of(values: dict[str, Any]) -> Any:
    return page_of(entry("enter", vm(), values)).changes[0].fields


def test_cards_keep_what_their_backing_names() -> None:
    port = vim.dvs.PortConnection(switchUuid="50 01", portgroupKey="dvportgroup-9", portKey="12")
    standard = CARD.NetworkBackingInfo(deviceName="VM Network", network=vim.Network("network-7"))
    devices = [
        DEVICE.VirtualIDEController(key=200, busNumber=0),
        card(4000, CARD.DistributedVirtualPortBackingInfo(port=port)),
        card(4001, standard),
        card(4002, None),
        card(
            4003, CARD.OpaqueNetworkBackingInfo(opaqueNetworkId="5f2c", opaqueNetworkType="nsx.LogicalSwitch")
        ),
    ]
    cards = fields_of({"config.hardware.device": DEVICE.VirtualDevice.Array(devices)})["cards"]
    assert [(one.key, one.network, one.portgroup_key, one.port_key, one.opaque_id) for one in cards] == [
        (4000, None, "dvportgroup-9", "12", None),
        (4001, "network-7", None, None, None),
        (4002, None, None, None, None),
        (4003, None, None, None, "5f2c"),
    ]
    assert {one.kind for one in cards} == {"VirtualVmxnet3"}


def test_guest_addresses_come_with_their_details_once() -> None:
    nic = GUEST.NicInfo(
        network="web",
        ipAddress=["10.0.0.4", "FE80::1", "10.0.0.5"],
        macAddress="00:50:56:80:00:01",
        connected=True,
        deviceConfigId=4000,
        ipConfig=NET.IpConfigInfo(
            ipAddress=[
                NET.IpConfigInfo.IpAddress(
                    ipAddress="10.0.0.4", prefixLength=24, origin="dhcp", state="preferred"
                ),
                NET.IpConfigInfo.IpAddress(ipAddress="fe80::1", prefixLength=64, state="preferred"),
            ]
        ),
    )
    [told] = fields_of({"guest.net": GUEST.NicInfo.Array([nic])})["guest_nics"]
    assert told.addresses == (
        GuestIp("10.0.0.4", 24, "dhcp", "preferred"),
        GuestIp("fe80::1", 64, None, "preferred"),
        GuestIp("10.0.0.5"),
    )


def test_only_default_routes_are_kept() -> None:
    def route(network: str, prefix: int, gateway: str, device: str | None) -> Any:
        via = NET.IpRouteConfigInfo.Gateway(ipAddress=gateway, device=device)
        return NET.IpRouteConfigInfo.IpRoute(network=network, prefixLength=prefix, gateway=via)

    anywhere = "0.0.0.0"  # noqa: S104  a route's destination
    routes = [
        route(anywhere, 0, "10.0.0.1", "0"),
        route("10.9.0.0", 16, "10.0.0.2", "0"),
        route("::", 0, "fe80::1", None),
    ]
    stack = GUEST.StackInfo(
        dnsConfig=NET.DnsConfigInfo(dhcp=False, hostName="h", domainName="d", ipAddress=["10.0.0.53"]),
        ipRouteConfig=NET.IpRouteConfigInfo(ipRoute=routes),
    )
    [told] = fields_of({"guest.ipStack": GUEST.StackInfo.Array([stack])})["guest_stacks"]
    assert told.default_routes == (("10.0.0.1", 0), ("fe80::1", None))
    assert told.dns == ("10.0.0.53",)


def test_an_annotation_leaves_only_its_reservation() -> None:
    secret = "root password: hunter2\npatchbay-reservation: 0f0e0d0c-0b0a-4908-8706-050403020100"
    fields = fields_of({"config.annotation": secret})
    assert fields == {"reservation": UUID("0f0e0d0c-0b0a-4908-8706-050403020100")}


def option(value: object) -> Any:
    return vim.option.OptionValue(key="guestinfo.patchbay.reservation", value=value)


def test_an_option_leaves_only_its_reservation() -> None:
    named = "0f0e0d0c-0b0a-4908-8706-050403020100"
    assert fields_of({OPTION_PATH: option(named)}) == {"option_reservation": UUID(named)}
    assert fields_of({OPTION_PATH: option("hunter2")}) == {"option_reservation": None}
    assert fields_of({OPTION_PATH: option(7)}) == {"option_reservation": None}


def test_a_change_below_the_option_has_the_vm_read_anew() -> None:
    assert fields_of({f"{OPTION_PATH}.value": "hunter2"}) == {"option_reservation": STALE}
    assert fields_of({'config.extraConfig["guestinfo.other"]': option("hunter2")}) == {}


def test_a_trunk_is_read_from_a_port_setting() -> None:
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    setting = switch.VmwarePortConfigPolicy(
        vlan=switch.TrunkVlanSpec(inherited=False, vlanId=[vim.NumericRange(start=10, end=20)])
    )
    group = vim.dvs.DistributedVirtualPortgroup("dvportgroup-9")
    [change] = page_of(entry("enter", group, {"config.defaultPortConfig": setting})).changes
    told: Any = change.fields["setting"]
    assert (change.kind, change.type) == ("portgroup", "distributed")
    assert (told.vlan.kind, told.vlan.ranges, told.team) == ("trunk", ((10, 20),), None)


def test_what_became_unset_is_none_and_what_is_missing_is_not_mentioned() -> None:
    change = COLLECTOR.Change(name="guest.hostName", op="remove", val=None)
    update = COLLECTOR.ObjectUpdate(kind="modify", obj=vm(), changeSet=[change], missingSet=[])
    assert page_of(update).changes[0].fields == {"hostname": None}
    denied = entry("modify", vm(), {"name": "a"}, {"guest.net": FAULTS.NoPermission()})
    assert "guest_nics" not in page_of(denied).changes[0].fields


def test_g4_signs_are_counted() -> None:
    dead = entry("modify", vm("vm-1"), {}, {"name": FAULTS.NotAuthenticated()})
    hollow = entry("enter", vm("vm-2"), {"name": "b", "config.hardware.device": DEVICE.VirtualDevice.Array()})
    gone = entry("modify", vm("vm-3"), {}, {"name": vmodl.fault.ManagedObjectNotFound(obj=vm("vm-3"))})
    leave = COLLECTOR.ObjectUpdate(kind="leave", obj=vm("vm-4"), changeSet=[], missingSet=[])
    page = page_of(dead, hollow, gone, leave, truncated=True)
    assert page.signs == Signs(answered=2, blind=1, not_authenticated=1, essentials=1, hollow=1)
    assert page.truncated
    assert page.changes[-1].action == "leave"


def test_objects_nobody_watches_are_stepped_over() -> None:
    assert page_of(entry("enter", vim.Datastore("datastore-1"), {"name": "disk"})).changes == ()


def test_errors_are_told_apart() -> None:
    causes = {
        FAULTS.NotAuthenticated(): "session_ended",
        vmodl.query.InvalidCollectorVersion(): "session_ended",
        FAULTS.InvalidLogin(): "rejected_login",
        FAULTS.NoPermission(): "rejected_login",
        ConnectionRefusedError("refused"): "unreachable",
        TimeoutError(): "unreachable",
        vmodl.fault.SystemError(): "unreachable",
        AttributeError("half an answer"): "blind_answer",
    }
    assert {type(error): sight_lost_by(error).cause for error in causes} == {
        type(error): cause for error, cause in causes.items()
    }

"""Which changes of a vCenter become which facts."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from services.collector.domain.changes import Action, Change
from services.collector.domain.mirror import Mirror, News
from services.collector.domain.raw import DvSetting, DvVlan, HostPort, Opaque, Vswitch
from services.collector.domain.state import ObjectKind
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import (
    HostChanged,
    PortgroupChanged,
    VlanId,
    VlanTrunk,
    VlanUnknown,
    VmChanged,
    VmRemoved,
)
from tests.unit.collector.making import STAMP, card, nic, vm_change


def change(
    kind: ObjectKind, moid: str, finer: str = "", action: Action = "enter", **fields: object
) -> Change:
    return Change(action, kind, moid, finer, {"name": moid, **fields} if action == "enter" else fields)


PLACES = (
    change("place", "datacenter-1", "datacenter", name="dc"),
    change("place", "group-h1", "folder", parent="datacenter-1"),
    change("place", "domain-c1", "cluster", name="gold", parent="group-h1", resource_pool="resgroup-1"),
)
HOST = change("host", "host-1", parent="domain-c1", connection="connected")
WEB = change(
    "portgroup", "dvportgroup-9", "distributed", key="key-9", setting=DvSetting(DvVlan("id", 12), None)
)


def say(mirror: Mirror, *changes: Change) -> list[News]:
    mirror.apply(changes)
    return list(mirror.news())


def types(news: list[News]) -> list[str]:
    return [item.fact.TYPE for item in news]


def test_a_host_knows_where_it_is() -> None:
    [news] = say(Mirror(STAMP), *PLACES, HOST)
    fact = cast(HostChanged, news.fact)
    assert (fact.datacenter_name, fact.cluster_name, fact.resource_pool) == ("dc", "gold", "resgroup-1")


def test_a_renamed_cluster_is_news_of_its_hosts() -> None:
    mirror = Mirror(STAMP)
    say(mirror, *PLACES, HOST)
    [news] = say(mirror, change("place", "domain-c1", "cluster", action="modify", name="silver"))
    assert cast(HostChanged, news.fact).cluster_name == "silver"


def test_free_ports_of_a_host_alone_are_no_news() -> None:
    mirror = Mirror(STAMP)
    say(mirror, HOST)
    assert say(mirror, change("host", "host-1", action="modify", vswitches=(Vswitch("vs", (), 128, 9),)))
    assert not say(mirror, change("host", "host-1", action="modify", vswitches=(Vswitch("vs", (), 128, 8),)))


def test_a_vm_gives_hardware_and_guest_and_a_template_only_hardware() -> None:
    assert types(say(Mirror(STAMP), vm_change())) == ["inventory.vm.changed", "guest.addresses.changed"]
    assert types(say(Mirror(STAMP), vm_change(template=True))) == ["inventory.vm.changed"]


def test_a_port_group_that_comes_after_its_vm_completes_the_vm() -> None:
    mirror = Mirror(STAMP)
    [hardware, _] = say(mirror, vm_change(cards=(card(network=None, group="key-9"),)))
    assert cast(VmChanged, hardware.fact).ports[0].network is None
    again = [item.fact for item in say(mirror, WEB) if isinstance(item.fact, VmChanged)]
    assert again[0].ports[0].network == "dvportgroup-9"


def test_a_card_on_an_opaque_network_is_on_the_network_of_that_id() -> None:
    """NSX's segments: cards know the segment's id, and the network comes before or after its VMs."""
    mirror = Mirror(STAMP)
    plugged = card(network=None)._replace(opaque_id="5f2c")
    [hardware, _] = say(mirror, vm_change(cards=(plugged,)))
    assert cast(VmChanged, hardware.fact).ports[0].network is None
    segment = change("portgroup", "network-o7", "opaque", opaque=Opaque("5f2c", "nsx.LogicalSwitch"))
    again = [item.fact for item in say(mirror, segment) if isinstance(item.fact, VmChanged)]
    assert again[0].ports[0].network == "network-o7"
    [later, _] = say(mirror, vm_change("vm-2", cards=(plugged,)))
    assert cast(VmChanged, later.fact).ports[0].network == "network-o7"


def test_container_churn_and_reorder_say_nothing_new() -> None:
    mirror = Mirror(STAMP)
    mine, other = nic("10.0.0.4", "10.0.0.5"), nic("10.1.0.4", key=4001, mac="00:50:56:80:00:02")
    cards = (card(), card(4001, "00:50:56:80:00:02"))
    say(mirror, vm_change(cards=cards, guest_nics=(mine, other)))
    docker = nic("172.17.0.1", key=-1, mac="02:42:00:00:00:01")
    reordered = (docker, other, nic("10.0.0.5", "10.0.0.4"))
    assert not say(mirror, vm_change(action="modify", guest_nics=reordered))
    assert mirror.suppressed == {"foreign_device": 1}


def test_a_change_of_the_guest_alone_repeats_no_hardware() -> None:
    mirror = Mirror(STAMP)
    say(mirror, vm_change(guest_nics=(nic("10.0.0.4"),)))
    [news] = say(mirror, vm_change(action="modify", guest_nics=(nic("10.0.0.5"),)))
    assert isinstance(news.fact, GuestAddressesChanged)


def test_a_vm_that_leaves_is_removed_with_its_name() -> None:
    mirror = Mirror(STAMP)
    say(mirror, vm_change(name="web"))
    [news] = say(mirror, Change("leave", "vm", "vm-1"))
    assert news.gone
    assert cast(VmRemoved, news.fact).name == "web"
    assert cast(VmRemoved, news.fact).how == "observed"
    assert mirror.present("vm") == set()


def test_leaving_what_was_never_there_is_no_news() -> None:
    assert not say(Mirror(STAMP), Change("leave", "vm", "vm-1"))


def test_leaving_and_coming_back_within_a_page_is_no_removal() -> None:
    mirror = Mirror(STAMP)
    say(mirror, vm_change())
    assert "inventory.vm.removed" not in types(
        say(mirror, Change("leave", "vm", "vm-1"), vm_change(name="new"))
    )


def test_g4_a_vm_without_readable_configuration_is_there_but_tells_nothing() -> None:
    mirror = Mirror(STAMP)
    assert not say(mirror, Change("enter", "vm", "vm-1", "", {"name": "web", "connection": "inaccessible"}))
    assert mirror.present("vm") == {"vm-1"}


def test_g4_a_vm_whose_configuration_is_unset_keeps_its_ports() -> None:
    mirror = Mirror(STAMP)
    say(mirror, vm_change(cpus=4))
    lost = vm_change(action="modify", cards=None, cpus=None, instance_uuid=None, connection="inaccessible")
    [news] = say(mirror, lost)
    fact = cast(VmChanged, news.fact)
    assert (fact.connection, len(fact.ports), fact.cpus) == ("inaccessible", 1, 4)


def test_g4_an_object_with_nothing_readable_is_present_and_unchanged() -> None:
    mirror = Mirror(STAMP)
    say(mirror, vm_change())
    assert not say(mirror, Change("enter", "vm", "vm-1"), Change("enter", "vm", "vm-2"))
    assert mirror.present("vm") == {"vm-1", "vm-2"}


def standard(*hosts: str) -> Change:
    return change("portgroup", "network-7", "standard", name="VM Network", hosts=hosts)


def on_host(moid: str, vlan: int, label: str = "VM Network") -> Change:
    return change("host", moid, portgroups=(HostPort(label, "vSwitch0", vlan, None),))


def vlan_of(news: list[News]) -> object:
    return next(item.fact.vlan for item in reversed(news) if isinstance(item.fact, PortgroupChanged))


def test_a_standard_port_groups_vlan_is_what_its_hosts_agree_on() -> None:
    mirror = Mirror(STAMP)
    network = standard("host-1", "host-2")
    assert vlan_of(say(mirror, on_host("host-1", 5), on_host("host-2", 5), network)) == VlanId(id=5)
    differing = change(
        "host", "host-2", action="modify", portgroups=(HostPort("VM Network", "vSwitch0", 6, None),)
    )
    assert vlan_of(say(mirror, differing)) == VlanUnknown()


def test_a_host_that_does_not_tell_makes_the_vlan_unknown() -> None:
    news = say(
        Mirror(STAMP), on_host("host-1", 5), on_host("host-2", 5, "other"), standard("host-1", "host-2")
    )
    assert vlan_of(news) == VlanUnknown()


def test_vlan_4095_of_a_standard_port_group_is_a_trunk_of_all() -> None:
    assert vlan_of(say(Mirror(STAMP), on_host("host-1", 4095), standard("host-1"))) == VlanTrunk(
        ranges=((0, 4094),)
    )


def test_the_switch_tells_which_port_group_carries_uplinks() -> None:
    switch = change("switch", "dvs-1", uplink_portgroups=("dvportgroup-8",))
    uplinks = change("portgroup", "dvportgroup-8", "distributed", switch="dvs-1")
    facts = [item.fact for item in say(Mirror(STAMP), switch, uplinks)]
    assert [fact.uplink for fact in facts if isinstance(fact, PortgroupChanged)] == [True]


def test_ids_in_annotation_and_extra_config_are_told_beside_each_other() -> None:
    mirror = Mirror(STAMP)
    first, second = UUID(int=1), UUID(int=2)
    say(mirror, vm_change(reservation=first, option_reservation=second))
    assert say(mirror, vm_change(action="modify", option_reservation=second)) == []
    [news] = say(mirror, vm_change(action="modify", option_reservation=first))
    fact = cast(VmChanged, news.fact)
    assert (fact.reservation, fact.extra_config_reservation) == (first, first)
    [news] = say(mirror, vm_change(action="modify", option_reservation=None))
    assert cast(VmChanged, news.fact).extra_config_reservation is None

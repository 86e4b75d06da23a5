"""Facts as decisions see them: above all, which uplinks stand behind a port group."""

from __future__ import annotations

from typing import Any

from services.placement.domain.hosts import reaches, uplinks
from services.placement.domain.reading import host_facts, wire_facts
from services.placement.domain.world import Links
from shared.events.inventory import (
    HostChanged,
    HostPortgroup,
    HostSwitch,
    PhysicalNic,
    PortgroupChanged,
    Teaming,
    VlanNone,
)
from tests.unit.placement.worlds import OTHER_VCENTER, VCENTER

ORDER = {"vcenter": VCENTER, "epoch": 1, "sequence": 1}


def host(*, portgroups: tuple[HostPortgroup, ...] = (), switches: tuple[HostSwitch, ...] = ()) -> Any:
    return host_facts(
        HostChanged(
            **ORDER,
            moid="host-1",
            name="esx-1",
            connection="connected",
            maintenance=False,
            pnics=(
                PhysicalNic(device="vmnic0", link_mbps=10000),
                PhysicalNic(device="vmnic1"),
                PhysicalNic(device="vmnic2", link_mbps=1000),
            ),
            portgroups=portgroups,
            switches=switches,
        )
    )


def portgroup(name: str = "pg", **values: Any) -> Any:
    defaults: dict[str, Any] = {
        "moid": "network-1",
        "kind": "standard",
        "vlan": VlanNone(),
        "hosts": ("host-1",),
    }
    return wire_facts(PortgroupChanged(**ORDER, name=name, **(defaults | values)))


def standard(*pnics: str) -> HostSwitch:
    return HostSwitch(name="vSwitch0", kind="standard", pnics=pnics)


def test_uplinks_of_a_standard_port_group() -> None:
    found = host(
        portgroups=(HostPortgroup(name="pg", switch="vSwitch0", vlan=0),),
        switches=(standard("vmnic0", "vmnic1"),),
    )
    assert uplinks(found, portgroup()) == Links(("vmnic0",), ("vmnic1",))


def test_only_uplinks_that_teaming_uses_count() -> None:
    teaming = Teaming(policy="failover_explicit", active=("vmnic1",))
    found = host(
        portgroups=(HostPortgroup(name="pg", switch="vSwitch0", vlan=0, teaming=teaming),),
        switches=(standard("vmnic0", "vmnic1"),),
    )
    assert uplinks(found, portgroup()) == Links((), ("vmnic1",))


def test_a_switch_without_uplinks_is_known_to_have_none() -> None:
    found = host(portgroups=(HostPortgroup(name="pg", switch="vSwitch0", vlan=0),), switches=(standard(),))
    assert uplinks(found, portgroup()) == Links((), ())


def test_uplinks_of_a_distributed_switch() -> None:
    switch = HostSwitch(name="dvs", kind="distributed", uuid="50 2c", pnics=("vmnic1", "vmnic2"))
    found = host(switches=(switch,))
    wire = portgroup(kind="distributed", switch_uuid="50 2c")
    assert uplinks(found, wire) == Links(("vmnic2",), ("vmnic1",))


def test_what_is_not_listed_is_unknown_and_not_dead() -> None:
    switch = HostSwitch(name="dvs", kind="distributed", uuid="50 2c", pnics=("vmnic7",))
    found = host(switches=(switch,))
    assert uplinks(found, portgroup()) is None
    assert uplinks(found, portgroup(kind="distributed", switch_uuid="50 99")) is None
    assert uplinks(found, portgroup(kind="distributed", switch_uuid="50 2c")) == Links(("vmnic7",), ())


def test_the_same_ids_in_another_vcenter_are_another_host() -> None:
    assert reaches(host(), portgroup())
    assert not reaches(host(), portgroup(hosts=("host-2",)))
    elsewhere = PortgroupChanged(
        **(ORDER | {"vcenter": OTHER_VCENTER}),
        moid="network-1",
        name="pg",
        kind="standard",
        vlan=VlanNone(),
        hosts=("host-1",),
    )
    assert not reaches(host(), wire_facts(elsewhere))


def test_ports_limit_where_the_vcenter_says_how_many_there_are() -> None:
    distributed = {"kind": "distributed", "binding": "early"}
    assert portgroup(**distributed, ports=8, auto_expand=False).ports == 8
    assert portgroup(**distributed, ports=8, auto_expand=True).ports is None
    assert portgroup(kind="distributed", binding="ephemeral", ports=8).ports is None
    assert portgroup(**distributed, ports=0).ports is None, "nobody could be connected: it is not told"
    assert portgroup(ports=8).ports is None

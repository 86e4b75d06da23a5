"""What switches and port groups allow, from pyVmomi's objects to facts."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim as typed_vim

from services.collector.domain.geography import Geography
from services.collector.domain.hosts import host_changed
from services.collector.domain.networks import portgroup_changed, switch_changed
from services.collector.domain.raw import HostPort, Security, Vmk
from services.collector.domain.state import Host, Place, Portgroup, Switch
from services.collector.vsphere.translating_networks import (
    lags,
    opaque,
    proxy_switches,
    pvlans,
    setting,
    vswitches,
)
from shared.events.inventory import (
    ForeignNetwork,
    HostUplink,
    LinkAggregation,
    PortgroupChanged,
    PrivateVlan,
    SecurityPolicy,
)
from tests.unit.collector.making import STAMP

vim: Any = typed_vim
NETWORK = vim.host
DVS = vim.dvs.VmwareDistributedVirtualSwitch
STRICT = SecurityPolicy(promiscuous=False, mac_changes=False, forged_transmits=True)


def portgroup(state: Portgroup, **hosts: Host) -> PortgroupChanged:
    return portgroup_changed(STAMP, state, hosts=hosts, switches={}, geography=Geography())


def test_a_standard_switch_tells_the_policy_that_its_port_groups_inherit() -> None:
    policy = NETWORK.NetworkPolicy(
        security=NETWORK.NetworkPolicy.SecurityPolicy(
            allowPromiscuous=False, macChanges=False, forgedTransmits=True
        ),
        nicTeaming=NETWORK.NetworkPolicy.NicTeamingPolicy(
            policy="failover_explicit",
            nicOrder=NETWORK.NetworkPolicy.NicOrderPolicy(activeNic=["vmnic0"], standbyNic=["vmnic1"]),
            failureCriteria=NETWORK.NetworkPolicy.NicFailureCriteria(checkBeacon=True),
        ),
    )
    switch = NETWORK.VirtualSwitch(
        name="vSwitch0",
        key="key-vim.host.VirtualSwitch-vSwitch0",
        numPorts=64,
        numPortsAvailable=60,
        mtu=1500,
        spec=NETWORK.VirtualSwitch.Specification(numPorts=64, policy=policy),
    )
    told = host_changed(STAMP, Host("host-1", vswitches=vswitches([switch])), Geography()).switches[0]
    assert (told.mtu, told.security) == (1500, STRICT)
    assert told.teaming is not None
    assert (told.teaming.active, told.teaming.standby, told.teaming.check_beacon) == (
        ("vmnic0",),
        ("vmnic1",),
        True,
    )


def test_a_distributed_switch_tells_which_adapter_serves_which_uplink() -> None:
    backing = vim.dvs.HostMember.PnicBacking(
        pnicSpec=[
            vim.dvs.HostMember.PnicSpec(pnicDevice="vmnic3", uplinkPortKey="8"),
            vim.dvs.HostMember.PnicSpec(pnicDevice="vmnic2"),
        ]
    )
    proxy = NETWORK.HostProxySwitch(
        dvsUuid="50 01",
        dvsName="dvs",
        key="k",
        numPorts=10,
        numPortsAvailable=9,
        uplinkPort=[vim.KeyValue(key="8", value="Uplink 1")],
        spec=NETWORK.HostProxySwitch.Specification(backing=backing),
    )
    told = host_changed(STAMP, Host("host-1", proxy_switches=proxy_switches([proxy])), Geography())
    assert told.switches[0].uplinks == (HostUplink(uplink="Uplink 1", pnic="vmnic3"),)


def test_private_vlans_and_link_aggregation_come_with_the_switch() -> None:
    state = Switch(
        "dvs-1",
        pvlans=pvlans(
            [
                DVS.PvlanMapEntry(primaryVlanId=500, secondaryVlanId=502, pvlanType="community"),
                DVS.PvlanMapEntry(primaryVlanId=500, secondaryVlanId=500, pvlanType="promiscuous"),
            ]
        ),
        lags=lags([DVS.LacpGroupConfig(name="lag1", mode="active", uplinkName=["lag1-0", "lag1-1"])]),
    )
    told = switch_changed(STAMP, state, Geography())
    assert told.private_vlans == (
        PrivateVlan(primary=500, secondary=500, kind="promiscuous"),
        PrivateVlan(primary=500, secondary=502, kind="community"),
    )
    assert told.lags == (LinkAggregation(name="lag1", mode="active", uplinks=("lag1-0", "lag1-1")),)


def test_security_is_read_from_the_newer_policy_where_there_are_two() -> None:
    def policy(kind: Any, word: Any) -> Any:
        return kind(allowPromiscuous=word(False), macChanges=word(False), forgedTransmits=word(True))

    old = policy(DVS.SecurityPolicy, lambda value: vim.BoolPolicy(value=not value))
    new = policy(DVS.MacManagementPolicy, lambda value: value)
    both = setting(DVS.VmwarePortConfigPolicy(securityPolicy=old, macManagementPolicy=new))
    assert both is not None
    assert both.security == Security(False, False, True)
    before = setting(DVS.VmwarePortConfigPolicy(securityPolicy=old))
    assert before is not None
    assert before.security == Security(True, True, False)


def test_hosts_that_differ_agree_on_no_security() -> None:
    strict, lax = Security(False, False, True), Security(True, True, True)
    hosts = {
        f"host-{n}": Host(f"host-{n}", portgroups=(HostPort("web", "vSwitch0", 7, None, policy),))
        for n, policy in enumerate((strict, strict, lax))
    }
    alike = Portgroup("network-1", "standard", name="web", hosts=("host-0", "host-1"))
    assert portgroup(alike, **hosts).security == STRICT
    apart = Portgroup("network-1", "standard", name="web", hosts=("host-0", "host-2"))
    assert portgroup(apart, **hosts).security is None


def test_networks_of_nsx_name_their_segment() -> None:
    summary = vim.OpaqueNetwork.Summary(
        name="seg", accessible=True, opaqueNetworkId="abc", opaqueNetworkType="nsx.LogicalSwitch"
    )
    told = portgroup(Portgroup("network-o1", "opaque", opaque=opaque(summary)))
    assert told.foreign == ForeignNetwork(id="abc", type="nsx.LogicalSwitch")
    made = Portgroup("dvportgroup-1", "distributed", backing="nsx", logical_switch="uuid", segment="/infra/a")
    assert portgroup(made).foreign == ForeignNetwork(id="uuid", type="nsx", segment="/infra/a")
    own = Portgroup("dvportgroup-2", "distributed", backing="standard", logical_switch="uuid")
    assert portgroup(own).foreign is None


def test_a_host_tells_its_management_address_and_pool() -> None:
    geography = Geography()
    geography.places["domain-c1"] = Place("domain-c1", "cluster", "prod", None, "resgroup-1")
    geography.places["resgroup-1"] = Place("resgroup-1", "pool", "Resources", "domain-c1")
    vmks = (
        Vmk("key-vim.host.VirtualNic-vmk1", "vmk1", "10.1.0.9", None, "vMotion"),
        Vmk("key-vim.host.VirtualNic-vmk0", "vmk0", "10.0.0.9", None, "Management Network"),
    )
    management = ("management.key-vim.host.VirtualNic-vmk0",)
    told = host_changed(
        STAMP, Host("host-1", parent="domain-c1", vmks=vmks, management_vmks=management), geography
    )
    assert told.management_address == "10.0.0.9"
    assert (told.resource_pool, told.resource_pool_name) == ("resgroup-1", "Resources")

"""What the API shows of networks, distributed port groups and switches."""

from __future__ import annotations

from datetime import UTC, datetime

from services.simulator.inventory.host_network import pnic_backing
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.networks import Network, PortGroup, Switch
from services.simulator.inventory.trees import Node, Tree
from services.simulator.soap.values import Array, Data, Enum, Typed, Value, refs, strings

_GREEN = Enum("ManagedEntityStatus", "green")
_MADE = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)


def _hosts(network: Network) -> Value:
    return refs([host.ref for host in network.hosts.values()])


def _vms(network: Network) -> Value:
    return refs([vm.ref for vm in network.vms.values()])


SUMMARY: Node[Network] = Node(
    "NetworkSummary",
    {
        "network": lambda network: network.ref,
        "name": lambda network: network.name,
        "accessible": lambda network: bool(network.hosts),
        "ipPoolName": lambda _: "",
    },
)

NETWORK: Tree[Network] = Tree(
    "Network",
    {
        "parent": lambda network: network.parent.ref if network.parent else None,
        "overallStatus": lambda _: _GREEN,
        "configStatus": lambda _: _GREEN,
        "name": lambda network: network.name,
        "summary": SUMMARY,
        "host": _hosts,
        "vm": _vms,
    },
)


def _flag(value: bool) -> Data:
    return Data("BoolPolicy", inherited=False, value=value)


def _text(value: str) -> Data:
    return Data("StringPolicy", inherited=False, value=value)


def _vlan(group: PortGroup) -> Data:
    if isinstance(group.vlan, int):
        return Typed("VmwareDistributedVirtualSwitchVlanIdSpec", inherited=False, vlanId=group.vlan)
    ranges = [Data("NumericRange", start=low, end=high) for low, high in group.vlan]
    return Typed(
        "VmwareDistributedVirtualSwitchTrunkVlanSpec", inherited=False, vlanId=Array("NumericRange", ranges)
    )


def _teaming(switch: Switch) -> Data:
    order = Data(
        "VMwareUplinkPortOrderPolicy",
        inherited=False,
        activeUplinkPort=strings(switch.uplink_names[:1]),
        standbyUplinkPort=strings(switch.uplink_names[1:]),
    )
    return Data(
        "VmwareUplinkPortTeamingPolicy",
        inherited=False,
        policy=_text("loadbalance_srcid"),
        reversePolicy=_flag(True),
        notifySwitches=_flag(True),
        rollingOrder=_flag(False),
        failureCriteria=Data("DVSFailureCriteria", inherited=False, checkBeacon=_flag(False)),
        uplinkPortOrder=order,
    )


def port_config(group: PortGroup) -> Value:
    """config.defaultPortConfig of a port group."""
    return Typed(
        "VMwareDVSPortSetting",
        blocked=_flag(False),
        vlan=_vlan(group),
        uplinkTeamingPolicy=_teaming(group.switch),
        securityPolicy=Data(
            "DVSSecurityPolicy",
            inherited=False,
            allowPromiscuous=_flag(False),
            macChanges=_flag(False),
            forgedTransmits=_flag(False),
        ),
    )


_POLICY = Typed(
    "VMwareDVSPortgroupPolicy",
    blockOverrideAllowed=True,
    shapingOverrideAllowed=False,
    vendorConfigOverrideAllowed=False,
    livePortMovingAllowed=False,
    portConfigResetAtDisconnect=True,
    vlanOverrideAllowed=False,
    uplinkTeamingOverrideAllowed=False,
    securityPolicyOverrideAllowed=False,
)


def _port_keys(group: PortGroup) -> Value:
    return strings([str(group.first_port + n) for n in range(group.num_ports)])


PORT_GROUP: Tree[PortGroup] = Tree(
    "DistributedVirtualPortgroup",
    {
        "parent": lambda group: group.parent.ref if group.parent else None,
        "overallStatus": lambda _: _GREEN,
        "configStatus": lambda _: _GREEN,
        "name": lambda group: group.name,
        "summary": SUMMARY,
        "host": _hosts,
        "vm": _vms,
        "key": lambda group: group.key,
        "config": Node(
            "DVPortgroupConfigInfo",
            {
                "key": lambda group: group.key,
                "name": lambda group: group.name,
                "numPorts": lambda group: group.num_ports,
                "distributedVirtualSwitch": lambda group: group.switch.ref,
                "defaultPortConfig": port_config,
                "type": lambda group: group.binding,
                "backingType": lambda _: "standard",
                "policy": lambda _: _POLICY,
                "configVersion": lambda group: str(group.config_version),
                "autoExpand": lambda group: group.auto_expand,
                "uplink": lambda group: group.uplink,
            },
        ),
        "portKeys": _port_keys,
    },
)


def _product() -> Data:
    return Data(
        "DistributedVirtualSwitchProductSpec",
        name="DVS",
        vendor="VMware, Inc.",
        version="8.0.3",
        build="24022510",
        forwardingClass="etherswitch",
    )


def _member(switch: Switch, host: Host) -> Data:
    membership = next(m for m in host.memberships if m.switch is switch)
    config = Data(
        "DistributedVirtualSwitchHostMemberConfigInfo",
        host=host.ref,
        maxProxySwitchPorts=512,
        backing=pnic_backing(membership),
    )
    return Data("DistributedVirtualSwitchHostMember", config=config, status="up")


def _switch_ports(switch: Switch) -> int:
    return sum(group.num_ports for group in switch.port_groups.values())


def _uplink_groups(switch: Switch) -> Value:
    return refs([group.ref for group in switch.port_groups.values() if group.uplink])


def _switch_hosts(switch: Switch) -> Value:
    return refs([host.ref for host in switch.hosts.values()])


def _runtime(switch: Switch) -> Value:
    members = [Data("HostMemberRuntimeInfo", host=host.ref, status="up") for host in switch.hosts.values()]
    return Data("DVSRuntimeInfo", hostMemberRuntime=Array("HostMemberRuntimeInfo", members))


_PRIVATE_VLANS = Array(
    "VMwareDVSPvlanMapEntry",
    [
        Data("VMwareDVSPvlanMapEntry", primaryVlanId=500, secondaryVlanId=secondary, pvlanType=kind)
        for secondary, kind in ((500, "promiscuous"), (501, "isolated"), (502, "community"))
    ],
)
_LAGS = Array(
    "VMwareDvsLacpGroupConfig",
    [
        Data(
            "VMwareDvsLacpGroupConfig",
            key="1001",
            name="lag1",
            mode="active",
            uplinkNum=2,
            loadbalanceAlgorithm="srcDestIpTcpUdpPortVlan",
            uplinkName=strings(("lag1-0", "lag1-1")),
            uplinkPortKey=strings(("1001-0", "1001-1")),
        )
    ],
)

SWITCH: Tree[Switch] = Tree(
    "VmwareDistributedVirtualSwitch",
    {
        "parent": lambda switch: switch.parent.ref if switch.parent else None,
        "overallStatus": lambda _: _GREEN,
        "name": lambda switch: switch.name,
        "uuid": lambda switch: switch.uuid,
        "summary": Node(
            "DVSSummary",
            {
                "name": lambda switch: switch.name,
                "uuid": lambda switch: switch.uuid,
                "numPorts": _switch_ports,
                "productInfo": lambda _: _product(),
                "hostMember": _switch_hosts,
                "host": _switch_hosts,
                "portgroupName": lambda switch: strings([g.name for g in switch.port_groups.values()]),
                "numHosts": lambda switch: len(switch.hosts),
            },
        ),
        "config": Node(
            "VMwareDVSConfigInfo",
            {
                "uuid": lambda switch: switch.uuid,
                "name": lambda switch: switch.name,
                "numStandalonePorts": lambda _: 0,
                "numPorts": _switch_ports,
                "maxPorts": lambda _: 60000,
                "uplinkPortPolicy": lambda switch: Typed(
                    "DVSNameArrayUplinkPortPolicy", uplinkPortName=strings(switch.uplink_names)
                ),
                "uplinkPortgroup": _uplink_groups,
                "defaultPortConfig": lambda switch: Typed(
                    "VMwareDVSPortSetting", uplinkTeamingPolicy=_teaming(switch)
                ),
                "host": lambda switch: Array(
                    "DistributedVirtualSwitchHostMember", [_member(switch, h) for h in switch.hosts.values()]
                ),
                "productInfo": lambda _: _product(),
                "configVersion": lambda switch: str(switch.config_version),
                "contact": lambda _: Data("DVSContactInfo"),
                "createTime": lambda _: _MADE,
                "networkResourceManagementEnabled": lambda _: True,
                "pvlanConfig": lambda _: _PRIVATE_VLANS,
                "lacpGroupConfig": lambda _: _LAGS,
                "maxMtu": lambda switch: switch.mtu,
                "linkDiscoveryProtocolConfig": lambda _: Data(
                    "LinkDiscoveryProtocolConfig", protocol="lldp", operation="listen"
                ),
                "lacpApiVersion": lambda _: "multipleLag",
            },
        ),
        "portgroup": lambda switch: refs([group.ref for group in switch.port_groups.values()]),
        "runtime": _runtime,
    },
)

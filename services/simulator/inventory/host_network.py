"""config.network of a host: pnics, standard and proxy switches, port groups, VMkernel adapters."""

from __future__ import annotations

from services.simulator.inventory.hosts import (
    Host,
    HostAdapter,
    HostPortGroup,
    PhysicalNic,
    SwitchMembership,
    VirtualSwitch,
)
from services.simulator.inventory.trees import Node
from services.simulator.soap.values import Array, Data, Typed, Value, strings


def pnic_key(device: str) -> str:
    """The link by which switches name a physical adapter."""
    return f"key-vim.host.PhysicalNic-{device}"


def _pnic(nic: PhysicalNic) -> Data:
    link = Data("PhysicalNicLinkInfo", speedMb=nic.speed_mb, duplex=True) if nic.speed_mb else None
    return Data(
        "PhysicalNic",
        key=pnic_key(nic.device),
        device=nic.device,
        pci=nic.pci,
        driver=nic.driver,
        linkSpeed=link,
        spec=Data("PhysicalNicSpec", linkSpeed=link),
        wakeOnLanSupported=True,
        mac=nic.mac,
        autoNegotiateSupported=True,
    )


def _policy(switch: VirtualSwitch) -> Data:
    return Data(
        "HostNetworkPolicy",
        security=Data(
            "HostNetworkSecurityPolicy", allowPromiscuous=False, macChanges=False, forgedTransmits=False
        ),
        nicTeaming=Data(
            "HostNicTeamingPolicy",
            policy=switch.policy,
            reversePolicy=True,
            notifySwitches=True,
            rollingOrder=False,
            failureCriteria=Data(
                "HostNicFailureCriteria",
                checkSpeed="minimum",
                speed=10,
                checkDuplex=False,
                fullDuplex=False,
                checkErrorPercent=False,
                percentage=0,
                checkBeacon=False,
            ),
            nicOrder=Data(
                "HostNicOrderPolicy",
                activeNic=strings([d for d in switch.uplinks if d not in switch.standby]),
                standbyNic=strings(switch.standby),
            ),
        ),
        offloadPolicy=Data(
            "HostNetOffloadCapabilities", csumOffload=True, tcpSegmentation=True, zeroCopyXmit=True
        ),
        shapingPolicy=Data("HostNetworkTrafficShapingPolicy", enabled=False),
    )


def _vswitch(host: Host, switch: VirtualSwitch) -> Data:
    bridge = None
    if switch.uplinks:
        bridge = Typed(
            "HostVirtualSwitchBondBridge",
            nicDevice=strings(switch.uplinks),
            beacon=Data("HostVirtualSwitchBeaconConfig", interval=1),
        )
    return Data(
        "HostVirtualSwitch",
        name=switch.name,
        key=f"key-vim.host.VirtualSwitch-{switch.name}",
        numPorts=2560,
        numPortsAvailable=2540,
        mtu=switch.mtu,
        portgroup=strings([_group_key(g) for g in host.port_groups if g.vswitch == switch.name]),
        pnic=strings([pnic_key(device) for device in switch.uplinks]),
        spec=Data(
            "HostVirtualSwitchSpec", numPorts=128, bridge=bridge, policy=_policy(switch), mtu=switch.mtu
        ),
    )


def _group_key(group: HostPortGroup) -> str:
    return f"key-vim.host.PortGroup-{group.name}"


def _port_group(host: Host, group: HostPortGroup) -> Data:
    switch = next(s for s in host.vswitches if s.name == group.vswitch)
    return Data(
        "HostPortGroup",
        key=_group_key(group),
        vswitch=f"key-vim.host.VirtualSwitch-{group.vswitch}",
        computedPolicy=_policy(switch),
        spec=Data(
            "HostPortGroupSpec",
            name=group.name,
            vlanId=group.vlan,
            vswitchName=group.vswitch,
            policy=Data("HostNetworkPolicy"),
        ),
    )


def pnic_backing(membership: SwitchMembership) -> Typed:
    """Which adapters serve which uplink ports of the distributed switch, on this host."""
    group = next(g for g in membership.switch.port_groups.values() if g.uplink)
    specs = [
        Data(
            "DistributedVirtualSwitchHostMemberPnicSpec",
            pnicDevice=device,
            uplinkPortKey=_uplink_port(membership, name),
            uplinkPortgroupKey=group.key,
        )
        for name, device in membership.uplinks.items()
    ]
    return Typed(
        "DistributedVirtualSwitchHostMemberPnicBacking",
        pnicSpec=Array("DistributedVirtualSwitchHostMemberPnicSpec", specs),
    )


def _uplink_port(membership: SwitchMembership, name: str) -> str:
    return str(membership.switch.uplink_names.index(name))


def _proxy(membership: SwitchMembership) -> Data:
    switch = membership.switch
    ports = [Data("KeyValue", key=_uplink_port(membership, name), value=name) for name in switch.uplink_names]
    return Data(
        "HostProxySwitch",
        dvsUuid=switch.uuid,
        dvsName=switch.name,
        key=f"key-vim.host.HostProxySwitch-{switch.name}",
        numPorts=2560,
        configNumPorts=512,
        numPortsAvailable=2500,
        uplinkPort=Array("KeyValue", ports),
        mtu=switch.mtu,
        pnic=strings([pnic_key(device) for device in membership.uplinks.values()]),
        spec=Data("HostProxySwitchSpec", backing=pnic_backing(membership)),
    )


def _adapter(adapter: HostAdapter) -> Data:
    port = None
    if adapter.distributed is not None:
        port = Data(
            "DistributedVirtualSwitchPortConnection",
            switchUuid=adapter.distributed.switch.uuid,
            portgroupKey=adapter.distributed.key,
        )
    return Data(
        "HostVirtualNic",
        device=adapter.device,
        key=f"key-vim.host.VirtualNic-{adapter.device}",
        portgroup=adapter.port_group,
        spec=Data(
            "HostVirtualNicSpec",
            ip=Data("HostIpConfig", dhcp=False, ipAddress=adapter.address, subnetMask=adapter.netmask),
            mac=adapter.mac,
            distributedVirtualPort=port,
            portgroup=adapter.port_group or None,
            mtu=adapter.mtu,
            netStackInstanceKey="defaultTcpipStack",
        ),
    )


def nic_roles(host: Host) -> Value:
    """config.virtualNicManagerInfo.netConfig: which VMkernel adapter does what."""
    roles = dict.fromkeys(role for adapter in host.adapters for role in adapter.roles)
    configs = [
        Data(
            "VirtualNicManagerNetConfig",
            nicType=role,
            multiSelectAllowed=True,
            candidateVnic=Array("HostVirtualNic", [_adapter(adapter) for adapter in host.adapters]),
            selectedVnic=strings(
                [f"{role}.key-vim.host.VirtualNic-{a.device}" for a in host.adapters if role in a.roles]
            ),
        )
        for role in roles
    ]
    return Array("VirtualNicManagerNetConfig", configs)


NETWORK: Node[Host] = Node(
    "HostNetworkInfo",
    {
        "vswitch": lambda host: Array("HostVirtualSwitch", [_vswitch(host, s) for s in host.vswitches]),
        "proxySwitch": lambda host: Array("HostProxySwitch", [_proxy(m) for m in host.memberships]),
        "portgroup": lambda host: Array("HostPortGroup", [_port_group(host, g) for g in host.port_groups]),
        "pnic": lambda host: Array("PhysicalNic", [_pnic(nic) for nic in host.pnics]),
        "vnic": lambda host: Array("HostVirtualNic", [_adapter(adapter) for adapter in host.adapters]),
        "dnsConfig": lambda host: Data(
            "HostDnsConfig",
            dhcp=False,
            hostName=host.name.partition(".")[0],
            domainName=host.name.partition(".")[2],
            address=strings(["192.0.2.53"]),
        ),
        "ipV6Enabled": lambda _: True,
        "netStackInstance": lambda _: Array(
            "HostNetStackInstance",
            (Data("HostNetStackInstance", key="defaultTcpipStack", name="defaultTcpipStack"),),
        ),
    },
)

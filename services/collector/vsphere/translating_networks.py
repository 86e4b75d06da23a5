"""Host network and distributed switch properties, from pyVmomi's objects to plain values."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from services.collector.domain.raw import (
    DvSetting,
    DvVlan,
    HostPort,
    Lag,
    Opaque,
    Pnic,
    ProxySwitch,
    Pvlan,
    Security,
    Team,
    Vmk,
    Vswitch,
)

_DVS = vim.dvs.VmwareDistributedVirtualSwitch


def pnics(values: Any) -> tuple[Pnic, ...]:
    """Physical adapters; no link speed is no link."""
    return tuple(
        Pnic(
            key=pnic.key or pnic.device,
            device=pnic.device,
            mac=pnic.mac,
            mbps=pnic.linkSpeed.speedMb if pnic.linkSpeed else None,
            driver=pnic.driver or None,
            pci=pnic.pci or None,
        )
        for pnic in values or ()
    )


def vswitches(values: Any) -> tuple[Vswitch, ...]:
    """Standard switches of a host, with the policy that port groups inherit."""
    return tuple(_vswitch(switch) for switch in values or ())


def _vswitch(switch: Any) -> Vswitch:
    policy = switch.spec.policy if switch.spec else None
    return Vswitch(
        name=switch.name,
        pnics=tuple(switch.pnic or ()),
        ports=switch.numPorts,
        available=switch.numPortsAvailable,
        mtu=switch.mtu,
        team=_standard_team(policy.nicTeaming if policy else None),
        security=_standard_security(policy.security if policy else None),
    )


def proxy_switches(values: Any) -> tuple[ProxySwitch, ...]:
    """A host's shares of distributed switches."""
    return tuple(
        ProxySwitch(
            name=switch.dvsName or switch.dvsUuid,
            uuid=switch.dvsUuid,
            pnics=tuple(switch.pnic or ()),
            ports=switch.numPorts,
            available=switch.numPortsAvailable,
            mtu=switch.mtu,
            uplinks=_uplinks_in_use(switch),
        )
        for switch in values or ()
    )


def _uplinks_in_use(switch: Any) -> tuple[tuple[str, str], ...]:
    """Which device serves which uplink; an uplink port that has no name goes by its key."""
    names = {port.key: port.value for port in switch.uplinkPort or ()}
    backing = switch.spec.backing if switch.spec else None
    if not isinstance(backing, vim.dvs.HostMember.PnicBacking):
        return ()
    return tuple(
        (names.get(pnic.uplinkPortKey, pnic.uplinkPortKey), pnic.pnicDevice)
        for pnic in backing.pnicSpec or ()
        if pnic.uplinkPortKey
    )


def host_ports(values: Any) -> tuple[HostPort, ...]:
    """Standard port groups of a host, with the effective policy: the port group's own only overrides."""
    return tuple(
        HostPort(
            name=port.spec.name,
            switch=port.spec.vswitchName,
            vlan=port.spec.vlanId,
            team=_standard_team(port.computedPolicy.nicTeaming if port.computedPolicy else None),
            security=_standard_security(port.computedPolicy.security if port.computedPolicy else None),
        )
        for port in values or ()
    )


def _standard_team(teaming: Any) -> Team | None:
    if teaming is None or not teaming.policy:
        return None
    order, criteria = teaming.nicOrder, teaming.failureCriteria
    return Team(
        policy=teaming.policy,
        active=tuple(order.activeNic or ()) if order else (),
        standby=tuple(order.standbyNic or ()) if order else (),
        beacon=criteria.checkBeacon if criteria else None,
        notify=teaming.notifySwitches,
        rolling=teaming.rollingOrder,
    )


def _standard_security(policy: Any) -> Security | None:
    if policy is None:
        return None
    return Security(policy.allowPromiscuous, policy.macChanges, policy.forgedTransmits)


def vmks(values: Any) -> tuple[Vmk, ...]:
    """Vmkernel adapters."""
    return tuple(_vmk(vnic) for vnic in values or ())


def _vmk(vnic: Any) -> Vmk:
    spec = vnic.spec
    distributed = spec.distributedVirtualPort if spec else None
    return Vmk(
        key=vnic.key or "",
        device=vnic.device,
        address=spec.ip.ipAddress if spec and spec.ip else None,
        mac=spec.mac if spec else None,
        portgroup=vnic.portgroup or (distributed.portgroupKey if distributed else None),
    )


def management_vmks(configs: Any) -> tuple[str, ...]:
    """Keys of the adapters that carry management traffic."""
    return tuple(
        sorted(
            key
            for config in configs or ()
            if config.nicType == "management"
            for key in config.selectedVnic or ()
        )
    )


def setting(value: Any) -> DvSetting | None:
    """A distributed port group's default port setting; None for a switch that is not VMware's."""
    if not isinstance(value, _DVS.VmwarePortConfigPolicy):
        return None
    return DvSetting(
        _vlan(value.vlan),
        _distributed_team(value.uplinkTeamingPolicy),
        _distributed_security(value),
    )


def _distributed_security(value: Any) -> Security | None:
    # 6.7 moved the three into a policy about MAC addresses; older switches have the old one alone.
    managed, old = value.macManagementPolicy, value.securityPolicy
    if managed is not None:
        return _standard_security(managed)
    if old is None:
        return None
    return Security(_plain(old.allowPromiscuous), _plain(old.macChanges), _plain(old.forgedTransmits))


def _vlan(vlan: Any) -> DvVlan:
    match vlan:
        case _DVS.TrunkVlanSpec():
            return DvVlan("trunk", ranges=tuple((span.start, span.end) for span in vlan.vlanId or ()))
        case _DVS.PvlanSpec():
            return DvVlan("private", id=vlan.pvlanId)
        case _DVS.VlanIdSpec():
            return DvVlan("id", id=vlan.vlanId)
        case _:
            return DvVlan("unknown")


def _distributed_team(policy: Any) -> Team | None:
    if policy is None or not _plain(policy.policy):
        return None
    order, criteria = policy.uplinkPortOrder, policy.failureCriteria
    return Team(
        policy=_plain(policy.policy),
        active=tuple(order.activeUplinkPort or ()) if order else (),
        standby=tuple(order.standbyUplinkPort or ()) if order else (),
        beacon=_plain(criteria.checkBeacon) if criteria else None,
        notify=_plain(policy.notifySwitches),
        rolling=_plain(policy.rollingOrder),
    )


def _plain(policy: Any) -> Any:
    """The value inside vSphere's `{inherited, value}` pairs."""
    return policy.value if policy is not None else None


def uplinks(policy: Any) -> tuple[str, ...] | None:
    """Uplink names of a distributed switch."""
    names = getattr(policy, "uplinkPortName", None)
    return tuple(names) if names is not None else None


def pvlans(entries: Any) -> tuple[Pvlan, ...]:
    """Table of private VLANs of a distributed switch."""
    return tuple(
        Pvlan(entry.primaryVlanId, entry.secondaryVlanId, str(entry.pvlanType)) for entry in entries or ()
    )


def lags(groups: Any) -> tuple[Lag, ...]:
    """Link aggregation groups of a distributed switch."""
    return tuple(
        Lag(
            name=group.name or group.key or "",
            mode=group.mode or None,
            uplinks=tuple(group.uplinkName or ()),
            balance=group.loadbalanceAlgorithm or None,
        )
        for group in groups or ()
    )


def opaque(summary: Any) -> Opaque | None:
    """What another product calls the network that it keeps."""
    identity = getattr(summary, "opaqueNetworkId", None)
    return Opaque(identity, summary.opaqueNetworkType or None) if identity else None

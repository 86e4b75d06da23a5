"""Host network and distributed switch properties, from pyVmomi's objects to plain values."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from services.collector.domain.raw import (
    DvSetting,
    DvVlan,
    HostPort,
    Pnic,
    ProxySwitch,
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
    """Standard switches of a host."""
    return tuple(
        Vswitch(switch.name, tuple(switch.pnic or ()), switch.numPorts, switch.numPortsAvailable)
        for switch in values or ()
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
        )
        for switch in values or ()
    )


def host_ports(values: Any) -> tuple[HostPort, ...]:
    """Standard port groups of a host, with the effective policy: the port group's own only overrides."""
    return tuple(
        HostPort(
            name=port.spec.name,
            switch=port.spec.vswitchName,
            vlan=port.spec.vlanId,
            team=_standard_team(port.computedPolicy.nicTeaming if port.computedPolicy else None),
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
    return DvSetting(_vlan(value.vlan), _distributed_team(value.uplinkTeamingPolicy))


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

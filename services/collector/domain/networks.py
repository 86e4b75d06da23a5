"""Distributed switches and port groups of all kinds as facts; VLANs and teaming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from services.collector.domain.geography import Geography
from services.collector.domain.raw import DvVlan, HostPort, Security, Team
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.state import Host, Portgroup, Switch
from shared.events.inventory import (
    ForeignNetwork,
    LinkAggregation,
    PortgroupChanged,
    PrivateVlan,
    SecurityPolicy,
    SwitchChanged,
    Teaming,
    Vlan,
    VlanId,
    VlanNone,
    VlanPrivate,
    VlanTrunk,
    VlanUnknown,
)

ALL_VLANS = 4095
"""On a standard port group: the guest tags, every VLAN passes."""

_BINDINGS: dict[str, Literal["early", "late", "ephemeral"]] = {
    "earlyBinding": "early",
    "lateBinding": "late",
    "ephemeral": "ephemeral",
}


_PRIVATE: dict[str, Literal["promiscuous", "isolated", "community"]] = {
    "promiscuous": "promiscuous",
    "isolated": "isolated",
    "community": "community",
}


def teaming(team: Team | None) -> Teaming | None:
    """Teaming as part of a fact."""
    if team is None:
        return None
    return Teaming(
        policy=team.policy,
        active=team.active,
        standby=team.standby,
        check_beacon=team.beacon,
        notify_switches=team.notify,
        rolling_order=team.rolling,
    )


def security(policy: Security | None) -> SecurityPolicy | None:
    """Security policy as part of a fact."""
    if policy is None:
        return None
    return SecurityPolicy(
        promiscuous=policy.promiscuous, mac_changes=policy.mac_changes, forged_transmits=policy.forged
    )


def standard_vlan(number: int) -> Vlan:
    """VLAN of a standard port group: 0 is untagged, 4095 all of them."""
    if number == 0:
        return VlanNone()
    if number == ALL_VLANS:
        return VlanTrunk(ranges=((0, 4094),))
    return VlanId(id=number) if 1 <= number <= 4094 else VlanUnknown()


def distributed_vlan(vlan: DvVlan) -> Vlan:
    """VLAN of a distributed port group."""
    match vlan.kind:
        case "id":
            return standard_vlan(vlan.id)
        case "trunk":
            return VlanTrunk(ranges=tuple(sorted(vlan.ranges)))
        case "private":
            return VlanPrivate(id=vlan.id)
        case _:
            return VlanUnknown()


def switch_changed(stamp: Stamp, switch: Switch, geography: Geography) -> SwitchChanged:
    """The fact about a distributed switch."""
    datacenter = geography.datacenter(switch.parent)
    return SwitchChanged(
        vcenter=stamp.vcenter,
        epoch=stamp.epoch,
        sequence=UNNUMBERED,
        moid=switch.moid,
        name=switch.name or switch.moid,
        uuid=switch.uuid,
        datacenter=datacenter.moid if datacenter else None,
        datacenter_name=datacenter.name if datacenter else None,
        hosts=tuple(sorted(switch.hosts or ())),
        uplinks=switch.uplinks or (),
        max_mtu=switch.max_mtu or None,
        private_vlans=tuple(
            PrivateVlan(
                primary=pair.primary, secondary=pair.secondary, kind=_PRIVATE.get(pair.kind, "unknown")
            )
            for pair in sorted(switch.pvlans or ())
        ),
        lags=tuple(
            LinkAggregation(name=lag.name, mode=lag.mode, uplinks=lag.uplinks, load_balancing=lag.balance)
            for lag in sorted(switch.lags or (), key=lambda lag: lag.name)
        ),
    )


def on_hosts(portgroup: Portgroup, hosts: Mapping[str, Host]) -> Iterable[HostPort | None]:
    """A standard port group as each of its hosts has it; None where a host does not tell."""
    for moid in portgroup.hosts or ():
        host = hosts.get(moid)
        yield (
            next((port for port in (host.portgroups or ()) if port.name == portgroup.name), None)
            if host
            else None
        )


class Agreed(NamedTuple):
    """What all hosts of a port group say alike; the rest is unknown."""

    vlan: Vlan = VlanUnknown()
    teaming: Teaming | None = None
    security: SecurityPolicy | None = None


def agreed(portgroup: Portgroup, hosts: Mapping[str, Host]) -> Agreed:
    """VLAN, teaming and security of a standard port group, where all its hosts have the same.

    vSphere keeps a standard port group per host and joins them by name alone: when the hosts differ, or one
    of them does not tell, the VLAN of the whole is unknown.
    """
    seen = list(on_hosts(portgroup, hosts))
    if not seen or None in seen:
        return Agreed()
    told = [port for port in seen if port is not None]
    vlans = {port.vlan for port in told}
    teams = {port.team for port in told}
    policies = {port.security for port in told}
    return Agreed(
        standard_vlan(vlans.pop()) if len(vlans) == 1 else VlanUnknown(),
        teaming(teams.pop()) if len(teams) == 1 else None,
        security(policies.pop()) if len(policies) == 1 else None,
    )


def _settings_of(portgroup: Portgroup, hosts: Mapping[str, Host]) -> Agreed:
    if portgroup.type == "standard":
        return agreed(portgroup, hosts)
    told = portgroup.setting
    if told is None:
        return Agreed()
    return Agreed(distributed_vlan(told.vlan), teaming(told.team), security(told.security))


def foreign(portgroup: Portgroup) -> ForeignNetwork | None:
    """Who else keeps the network: an opaque one's product, or the NSX that made a distributed port group."""
    if portgroup.opaque is not None:
        return ForeignNetwork(id=portgroup.opaque.id, type=portgroup.opaque.type)
    if portgroup.backing != "nsx" or portgroup.logical_switch is None:
        return None
    return ForeignNetwork(
        id=portgroup.logical_switch,
        type="nsx",
        segment=portgroup.segment,
        transport_zone=portgroup.transport_zone,
    )


def portgroup_changed(
    stamp: Stamp,
    portgroup: Portgroup,
    *,
    hosts: Mapping[str, Host],
    switches: Mapping[str, Switch],
    geography: Geography,
) -> PortgroupChanged:
    """The fact about a port group."""
    settings = _settings_of(portgroup, hosts)
    switch = switches.get(portgroup.switch) if portgroup.switch else None
    datacenter = geography.datacenter(portgroup.parent)
    return PortgroupChanged(
        vcenter=stamp.vcenter,
        epoch=stamp.epoch,
        sequence=UNNUMBERED,
        moid=portgroup.moid,
        name=portgroup.name or portgroup.moid,
        kind=portgroup.type,
        # The port group's own word is missing before API 7.0; the switch always knew.
        uplink=bool(portgroup.uplink)
        or (switch is not None and portgroup.moid in (switch.uplink_portgroups or ())),
        datacenter=datacenter.moid if datacenter else None,
        datacenter_name=datacenter.name if datacenter else None,
        key=portgroup.key,
        switch=portgroup.switch,
        switch_uuid=switch.uuid if switch else None,
        switch_name=switch.name if switch else None,
        vlan=settings.vlan,
        binding=_BINDINGS.get(portgroup.binding or ""),
        ports=portgroup.ports,
        auto_expand=portgroup.auto_expand,
        teaming=settings.teaming,
        security=settings.security,
        foreign=foreign(portgroup),
        hosts=tuple(sorted(portgroup.hosts or ())),
    )

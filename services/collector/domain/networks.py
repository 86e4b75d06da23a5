"""Distributed switches and port groups of all kinds as facts; VLANs and teaming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from services.collector.domain.geography import Geography
from services.collector.domain.raw import DvVlan, HostPort, Team
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.state import Host, Portgroup, Switch
from shared.events.inventory import (
    PortgroupChanged,
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
        hosts=tuple(sorted(switch.hosts or ())),
        uplinks=switch.uplinks or (),
        max_mtu=switch.max_mtu or None,
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


def agreed(portgroup: Portgroup, hosts: Mapping[str, Host]) -> tuple[Vlan, Teaming | None]:
    """VLAN and teaming of a standard port group, where all its hosts have the same.

    vSphere keeps a standard port group per host and joins them by name alone: when the hosts differ, or one
    of them does not tell, the VLAN of the whole is unknown.
    """
    seen = list(on_hosts(portgroup, hosts))
    if not seen or None in seen:
        return VlanUnknown(), None
    told = [port for port in seen if port is not None]
    vlans = {port.vlan for port in told}
    teams = {port.team for port in told}
    vlan = standard_vlan(vlans.pop()) if len(vlans) == 1 else VlanUnknown()
    return vlan, teaming(teams.pop()) if len(teams) == 1 else None


def portgroup_changed(
    stamp: Stamp,
    portgroup: Portgroup,
    *,
    hosts: Mapping[str, Host],
    switches: Mapping[str, Switch],
    geography: Geography,
) -> PortgroupChanged:
    """The fact about a port group."""
    vlan: Vlan = VlanUnknown()
    team: Teaming | None = None
    if portgroup.type == "standard":
        vlan, team = agreed(portgroup, hosts)
    elif portgroup.setting is not None:
        vlan, team = distributed_vlan(portgroup.setting.vlan), teaming(portgroup.setting.team)
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
        vlan=vlan,
        binding=_BINDINGS.get(portgroup.binding or ""),
        ports=portgroup.ports,
        auto_expand=portgroup.auto_expand,
        teaming=team,
        hosts=tuple(sorted(portgroup.hosts or ())),
    )

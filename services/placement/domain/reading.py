"""Hosts and wires as decisions look at them, taken from the facts that collectors publish."""

from __future__ import annotations

from collections.abc import Mapping

from services.placement.domain.world import HostFacts, HostKey, Links, WireFacts
from shared.events.inventory import HostChanged, HostPortgroup, HostSwitch, PortgroupChanged
from shared.model.identifiers import wire_id


def host_facts(event: HostChanged, labels: Mapping[str, str] | None = None) -> HostFacts:
    """The host of a fact, with the state of the uplinks behind each of its port groups."""
    link = {pnic.device: pnic.link_mbps is not None for pnic in event.pnics}
    switches = {switch.name: switch for switch in event.switches if switch.kind == "standard"}
    return HostFacts(
        key=HostKey(event.vcenter, event.moid),
        name=event.name,
        datacenter=event.datacenter,
        datacenter_name=event.datacenter_name,
        cluster=event.cluster,
        cluster_name=event.cluster_name,
        resource_pool=event.resource_pool,
        connection=event.connection,
        maintenance=event.maintenance,
        cpu_cores=event.cpu_cores,
        memory_mb=event.memory_mb,
        standard_links={
            group.name: _links(_used_uplinks(group, switches[group.switch]), link)
            for group in event.portgroups
            if group.switch in switches
        },
        distributed_links={
            switch.uuid: _links(switch.pnics, link)
            for switch in event.switches
            if switch.kind == "distributed" and switch.uuid is not None
        },
        labels=labels or {},
        order=(event.epoch, event.sequence),
    )


def _used_uplinks(group: HostPortgroup, switch: HostSwitch) -> tuple[str, ...]:
    """Adapters of the switch that the port group's teaming leaves in use."""
    if group.teaming is None or not (group.teaming.active or group.teaming.standby):
        return switch.pnics
    used = {*group.teaming.active, *group.teaming.standby}
    return tuple(pnic for pnic in switch.pnics if pnic in used)


def _links(pnics: tuple[str, ...], link: Mapping[str, bool]) -> Links:
    # An adapter that the host does not list cannot be called dead.
    alive = tuple(pnic for pnic in pnics if link.get(pnic, True))
    return Links(alive, tuple(pnic for pnic in pnics if pnic not in alive))


def wire_facts(event: PortgroupChanged, *, retired: bool = False) -> WireFacts:
    """The wire of a port group's fact."""
    return WireFacts(
        id=wire_id(event.vcenter, event.moid),
        vcenter=event.vcenter,
        network=event.moid,
        name=event.name,
        kind=event.kind,
        vlan=event.vlan,
        hosts=frozenset(event.hosts),
        uplink=event.uplink,
        retired=retired,
        switch_uuid=event.switch_uuid,
        portgroup_key=event.key,
        binding=event.binding,
        ports=_port_limit(event),
        foreign=event.foreign,
        order=(event.epoch, event.sequence),
    )


def _port_limit(event: PortgroupChanged) -> int | None:
    """Ephemeral ports are made as they are needed, and elastic port groups grow."""
    if event.kind != "distributed" or event.binding == "ephemeral" or event.auto_expand:
        return None
    # A port group of no ports at all connects nobody: its vCenter does not tell (vcsim).
    return event.ports or None

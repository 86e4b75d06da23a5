"""ESXi hosts as facts."""

from __future__ import annotations

from typing import Literal

from services.collector.domain.geography import Geography
from services.collector.domain.networks import security, teaming
from services.collector.domain.raw import Vmk
from services.collector.domain.spelling import address_or_none, mac_or_none
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.state import Host
from shared.events.inventory import (
    HostChanged,
    HostPortgroup,
    HostSwitch,
    HostUplink,
    PhysicalNic,
    VmkernelNic,
)

_CONNECTIONS: dict[str, Literal["connected", "disconnected", "not_responding"]] = {
    "connected": "connected",
    "disconnected": "disconnected",
    "notResponding": "not_responding",
}
MEBIBYTE = 1024 * 1024


def host_changed(stamp: Stamp, host: Host, geography: Geography) -> HostChanged:
    """The fact about a host. A disconnected host keeps what it last told."""
    datacenter = geography.datacenter(host.parent)
    cluster = geography.cluster(host.parent)
    pool = geography.resource_pool(host.parent)
    vmks = _vmkernel_nics(host)
    return HostChanged(
        vcenter=stamp.vcenter,
        epoch=stamp.epoch,
        sequence=UNNUMBERED,
        moid=host.moid,
        name=host.name or host.moid,
        uuid=host.uuid,
        datacenter=datacenter.moid if datacenter else None,
        datacenter_name=datacenter.name if datacenter else None,
        cluster=cluster.moid if cluster else None,
        cluster_name=cluster.name if cluster else None,
        resource_pool=pool,
        resource_pool_name=geography.name_of(pool),
        management_address=next((vmk.address for vmk in vmks if vmk.management and vmk.address), None),
        connection=_CONNECTIONS.get(host.connection or "", "unknown"),
        maintenance=bool(host.maintenance),
        cpu_cores=host.cpu_cores,
        cpu_mhz=host.cpu_mhz,
        memory_mb=host.memory_bytes // MEBIBYTE if host.memory_bytes is not None else None,
        pnics=_pnics(host),
        switches=_switches(host),
        portgroups=tuple(
            HostPortgroup(
                name=port.name,
                switch=port.switch,
                vlan=port.vlan,
                teaming=teaming(port.team),
                security=security(port.security),
            )
            for port in sorted(host.portgroups or (), key=lambda port: port.name)
        ),
        vmkernel_nics=vmks,
        networks=tuple(sorted(host.networks or ())),
    )


def _pnics(host: Host) -> tuple[PhysicalNic, ...]:
    return tuple(
        PhysicalNic(
            device=pnic.device,
            mac=mac_or_none(pnic.mac),
            link_mbps=pnic.mbps,
            driver=pnic.driver,
            pci=pnic.pci,
        )
        for pnic in sorted(host.pnics or (), key=lambda pnic: pnic.device)
    )


def _switches(host: Host) -> tuple[HostSwitch, ...]:
    devices = {pnic.key: pnic.device for pnic in host.pnics or ()}
    standard = [
        HostSwitch(
            name=switch.name,
            kind="standard",
            pnics=tuple(devices.get(key, key) for key in switch.pnics),
            ports=switch.ports,
            ports_available=switch.available,
            mtu=switch.mtu,
            teaming=teaming(switch.team),
            security=security(switch.security),
        )
        for switch in sorted(host.vswitches or (), key=lambda switch: switch.name)
    ]
    distributed = [
        HostSwitch(
            name=switch.name,
            kind="distributed",
            uuid=switch.uuid,
            pnics=tuple(devices.get(key, key) for key in switch.pnics),
            ports=switch.ports,
            ports_available=switch.available,
            mtu=switch.mtu,
            uplinks=tuple(HostUplink(uplink=uplink, pnic=pnic) for uplink, pnic in sorted(switch.uplinks)),
        )
        for switch in sorted(host.proxy_switches or (), key=lambda switch: (switch.name, switch.uuid))
    ]
    return (*standard, *distributed)


def _vmkernel_nics(host: Host) -> tuple[VmkernelNic, ...]:
    management = frozenset(host.management_vmks or ())
    return tuple(
        _vmkernel_nic(vmk, management) for vmk in sorted(host.vmks or (), key=lambda vmk: vmk.device)
    )


def _vmkernel_nic(vmk: Vmk, management: frozenset[str]) -> VmkernelNic:
    address = address_or_none(vmk.address)
    # The list of selected adapters names them as "<role>.key-vim.host.VirtualNic-vmk0", or by device.
    chosen = vmk.device in management or any(key.endswith(vmk.key) for key in management if vmk.key)
    return VmkernelNic(
        device=vmk.device,
        address=str(address) if address else None,
        mac=mac_or_none(vmk.mac),
        portgroup=vmk.portgroup,
        management=chosen,
    )

"""VMs, as hardware, as facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.collector.domain.raw import Card
from services.collector.domain.spelling import mac_or_none
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.state import Vm
from shared.events.inventory import VmChanged, VmPort

_POWERS: dict[str, Literal["on", "off", "suspended"]] = {
    "poweredOn": "on",
    "poweredOff": "off",
    "suspended": "suspended",
}
_CONNECTIONS: dict[str, Literal["connected", "disconnected", "orphaned", "inaccessible", "invalid"]] = {
    "connected": "connected",
    "disconnected": "disconnected",
    "orphaned": "orphaned",
    "inaccessible": "inaccessible",
    "invalid": "invalid",
}


def vm_changed(
    stamp: Stamp,
    vm: Vm,
    *,
    datacenter: str | None,
    moid_of_key: Mapping[str, str],
    pool_name: str | None = None,
) -> VmChanged:
    """The fact about a VM. `moid_of_key` maps keys of distributed port groups to managed object ids.

    `pool_name` is the name of the resource pool that the VM is in.
    """
    return VmChanged(
        vcenter=stamp.vcenter,
        epoch=stamp.epoch,
        sequence=UNNUMBERED,
        moid=vm.moid,
        name=vm.name or vm.moid,
        instance_uuid=vm.instance_uuid,
        bios_uuid=vm.bios_uuid,
        host=vm.host,
        datacenter=datacenter,
        resource_pool=vm.pool,
        resource_pool_name=pool_name,
        power=_POWERS.get(vm.power or "", "unknown"),
        connection=_CONNECTIONS.get(vm.connection or "", "unknown"),
        template=bool(vm.template),
        placeholder=bool(vm.placeholder),
        fault_tolerance_secondary=bool(vm.ft_secondary),
        cpus=vm.cpus,
        memory_mb=vm.memory_mb,
        reservation=vm.reservation,
        extra_config_reservation=vm.option_reservation,
        ports=tuple(_port(card, moid_of_key) for card in sorted(vm.cards or ())),
    )


def adapter_name(kind: str) -> str:
    """ "vmxnet3" for "VirtualVmxnet3", "sriov" for "VirtualSriovEthernetCard"."""
    return kind.removeprefix("Virtual").removesuffix("EthernetCard").lower() or "unknown"


def _port(card: Card, moid_of_key: Mapping[str, str]) -> VmPort:
    # Without the port group's own word the wire is unknown: key and id are mostly, not always, the same.
    key = card.portgroup_key or card.opaque_id
    network = card.network if key is None else moid_of_key.get(key)
    return VmPort(
        key=card.key,
        label=card.label,
        adapter=adapter_name(card.kind),
        mac=mac_or_none(card.mac),
        network=network,
        connected=card.connected,
        switch_uuid=card.switch_uuid,
        portgroup_key=card.portgroup_key,
        dvport_key=card.port_key,
    )

"""How a virtual network card is connected, in the vSphere API's words."""

from __future__ import annotations

from shared.events.placement import Backing, PlacedWire


def backing(wire: PlacedWire) -> Backing | None:
    """The backing of a card on this port group; None where the port group does not say what it takes."""
    if wire.kind == "standard":
        return Backing(
            type="VirtualEthernetCardNetworkBackingInfo", device_name=wire.name, network=wire.network
        )
    if wire.kind == "distributed" and wire.switch_uuid and wire.portgroup_key:
        return Backing(
            type="VirtualEthernetCardDistributedVirtualPortBackingInfo",
            switch_uuid=wire.switch_uuid,
            portgroup_key=wire.portgroup_key,
        )
    if wire.kind == "opaque" and wire.foreign is not None and wire.foreign.type is not None:
        return Backing(
            type="VirtualEthernetCardOpaqueNetworkBackingInfo",
            opaque_network_id=wire.foreign.id,
            opaque_network_type=wire.foreign.type,
        )
    return None

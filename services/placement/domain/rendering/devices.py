"""How a virtual network card is connected, in the vSphere API's words."""

from __future__ import annotations

from shared.events.placement import Backing, PlacedWire


def backing(wire: PlacedWire) -> Backing | None:
    """The backing of a card on this port group; None where what it takes is not known (opaque networks)."""
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
    return None

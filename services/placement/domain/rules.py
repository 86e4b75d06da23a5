"""The rules about subnets and wires: which a NIC may use."""

from __future__ import annotations

from ipaddress import ip_address

from services.placement.domain.finding import listed
from services.placement.domain.world import Role, SubnetFacts, WireFacts
from shared.events.inventory import VlanId, VlanPrivate, VlanTrunk
from shared.events.placement import NicRequest

Broken = tuple[str, str]
"""The rule that rules something out, and why."""


def subnet_rule(subnet: SubnetFacts, nic: NicRequest) -> Broken | None:
    """The first rule that rules a subnet out for a NIC, and why."""
    family = f"ipv{subnet.prefix.version}"
    if nic.family not in {None, "dual", family}:
        return "family", f"it is {family}, {nic.family} is asked for"
    unmatched = [f"{key}={value}" for key, value in nic.labels.items() if subnet.labels.get(key) != value]
    if unmatched:
        return "labels", f"it is not labelled {listed(sorted(unmatched))}"
    outside = _outside(subnet, nic)
    if outside is not None:
        return outside
    named = {subnet.name, str(subnet.id)} & {nic.subnet, nic.second_subnet}
    if not subnet.auto_allocate and not named:
        return "auto_allocate", "it is used only when a request names it"
    return None


def _outside(subnet: SubnetFacts, nic: NicRequest) -> Broken | None:
    for text in (nic.address, nic.second_address):
        if text is None:
            continue
        address = ip_address(text)
        # Of a dual-stack NIC each address stands for its own family.
        if (
            nic.family != "dual" or address.version == subnet.prefix.version
        ) and address not in subnet.prefix:
            return "address", f"{text} is not within {subnet.prefix}"
    if nic.suffix is not None and nic.suffix >= subnet.prefix.num_addresses:
        return "suffix", f"{subnet.prefix} has no host {nic.suffix}"
    return None


def wire_rule(subnet: SubnetFacts, wire: WireFacts | None, role: Role, *, explicit: bool) -> Broken | None:
    """The first rule that rules a wire out for a subnet, and why."""
    if wire is None:
        return "wire_known", f"subnet {subnet.name} is kept on it, but no vCenter has shown it yet"
    if role == "denied":
        return "denied", f"an operator denied it for subnet {subnet.name}"
    if wire.retired:
        return "retired", "its port group is gone from the vCenter"
    if wire.uplink:
        return "uplink_portgroup", "it carries the switch's uplinks"
    missing = _not_told(wire)
    if missing is not None:
        return "backing", f"its vCenter does not tell {missing}, which a NIC is connected by"
    if isinstance(wire.vlan, VlanTrunk) and not explicit:
        return "trunk", "it is a trunk, and used only when a request names it"
    return _vlan_rule(subnet, wire)


def _not_told(wire: WireFacts) -> str | None:
    """What a NIC's device would need to be backed by the port group, and no fact tells."""
    if wire.kind == "opaque" and (wire.foreign is None or wire.foreign.type is None):
        return "the id and type of the opaque network"
    if wire.kind == "distributed" and not (wire.switch_uuid and wire.portgroup_key):
        return "its key and its switch's UUID"
    return None


def _vlan_rule(subnet: SubnetFacts, wire: WireFacts) -> Broken | None:
    """A wire whose VLAN is known to be another one. Untagged and unknown ones may carry any."""
    vlan, wanted = wire.vlan, subnet.vlan
    if wanted is None:
        return None
    if isinstance(vlan, VlanId | VlanPrivate) and vlan.id != wanted:
        return "vlan", f"subnet {subnet.name} is of VLAN {wanted}, the port group of VLAN {vlan.id}"
    if isinstance(vlan, VlanTrunk) and not any(first <= wanted <= last for first, last in vlan.ranges):
        return "vlan", f"subnet {subnet.name} is of VLAN {wanted}, which the trunk does not carry"
    return None

"""What an operator can do where a change is refused: the next step, ready to be typed."""

from __future__ import annotations

from collections.abc import Sequence

from services.allocator.domain.sentences import SubnetNamed, allowed, taken_from
from shared.events.address import Party
from shared.model.command_line import typed


def free(party: Party, address: str, scope: str, bound_to: str | None = None) -> str:
    """How `party` comes to hold the address no more. `bound_to`: the MAC that an operator keeps it for."""
    if party.kind == "nic" and party.vm_name:
        unfix = typed("vm", "unfix-nics", party.vm_name, *(("--nic", party.mac) if party.mac else ()))
        return f"change that guest's address; if it was stated, take that back first: {unfix}"
    if party.kind == "reservation":
        return f"if nobody is to have it, cancel that first: {typed('reservation', 'cancel', str(party.id))}"
    if party.kind == "reserved":
        verb = "release" if bound_to is None else "unbind"
        return f"take that back first: {typed('address', verb, address, scope=scope)}"
    return "change that guest's address first"


def reach(
    verdict: str, wire: str | None, named: Sequence[SubnetNamed], around: SubnetNamed | None, scope: str
) -> str:
    """How a port on `wire` comes to have an address that has `verdict` there.

    `named` are the subnets that the verdict speaks of, `around` is one of another wire that contains it;
    `scope` is the vCenter's.
    """
    if wire is None or verdict == "wire_unknown":
        return "connect the device to a port group, or wait for the vCenter's facts about it"
    if verdict == "link_local":
        return "state an address that identifies the guest"
    if verdict == "denied":
        return f"to allow it, run: {allowed(named[0], '--clear', wire)}"
    if verdict == "ambiguous":
        ways = "; ".join(taken_from(subnet, wire) for subnet in named)
        return f"take the wire from all but one: {ways}"
    if around is not None:
        return (
            f"subnet '{around.name}' of wire '{around.wire}' does; to use it from this one, too, run: "
            f"{allowed(around, '--pin', wire)}"
        )
    return f"create one: {typed('subnet', 'create', 'NAME', 'PREFIX', '--wire', wire, scope=scope)}"

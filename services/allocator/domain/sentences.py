"""Verdicts as sentences for people: what was found, by name, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.events.address import Party, Verdict
from shared.model.command_line import typed
from shared.model.identifiers import DEFAULT_SCOPE_NAME


@dataclass(frozen=True, slots=True)
class SubnetNamed:
    """A subnet and its default wire, by name. `here`: that is the wire that the verdict speaks of."""

    name: str
    prefix: str
    wire: str
    scope: str = DEFAULT_SCOPE_NAME
    here: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What a verdict rests on, by name."""

    verdict: Verdict
    address: str
    vm: str
    port: str
    """The port's label, such as "Network adapter 1"."""
    device_key: int | None = None
    """The port's; None: Tools tell no device."""
    scope: str = DEFAULT_SCOPE_NAME
    wire: str | None = None
    subnets: Sequence[SubnetNamed] = ()
    rival: Party | None = None
    """Who holds the address instead."""
    bound_to: str | None = None
    """The MAC that an operator keeps the address for."""
    seen: int = 0
    """VMs that are evidence so far."""
    needed: int = 0
    stated: Sequence[str] = ()
    """What operators stated for the port."""


def explain(ground: Ground) -> str:
    """One sentence (or two) on why the address has no NIC record."""
    return _SENTENCES[ground.verdict](ground)


def party_sentence(party: Party) -> str:
    """Who that is, for people."""
    if party.kind == "nic":
        return f"the NIC record of VM '{party.vm_name or party.id}'"
    if party.kind == "sighting":
        return f"VM '{party.vm_name or party.id}', which is seen with it"
    if party.kind == "reservation":
        return f"reservation {party.id}"
    return "an operator's reservation"


def _create(g: Ground) -> str:
    return typed("subnet", "create", "NAME", "PREFIX", "--wire", g.wire or "WIRE", scope=g.scope)


def allowed(subnet: SubnetNamed, option: str, wire: str | None) -> str:
    """The command that states with `option` whether `wire` may use the subnet."""
    return typed("subnet", "set-wires", subnet.name, option, wire or "WIRE", scope=subnet.scope)


def taken_from(subnet: SubnetNamed, wire: str | None) -> str:
    """The command by which the subnet is used from `wire` no more."""
    if subnet.here:
        return typed("subnet", "move", subnet.name, "OTHER-WIRE", "--leave", scope=subnet.scope)
    return allowed(subnet, "--deny", wire)


def _no_subnet(g: Ground) -> str:
    return f"{_seen_on(g)}, and no subnet contains it; if the network is yours, run: {_create(g)}"


def _outside(g: Ground) -> str:
    there = ", ".join(f"'{s.name}' ({s.prefix})" for s in g.subnets)
    return (
        f"{_seen_on(g)}, where it is outside of {there}; correct the guest, give a subnet a wider prefix, "
        f"or run: {_create(g)}"
    )


def _other_wire(g: Ground) -> str:
    subnet = g.subnets[0]
    return (
        f"{g.address} on wire '{g.wire}' lies in subnet '{subnet.name}' of wire '{subnet.wire}'; {g.seen} of "
        f"{g.needed} sightings needed to attach it, or run: {allowed(subnet, '--pin', g.wire)}"
    )


def _ambiguous(g: Ground) -> str:
    names = ", ".join(f"'{s.name}' (scope {s.scope})" for s in g.subnets)
    ways = "; ".join(taken_from(s, g.wire) for s in g.subnets)
    return (
        f"{_seen_on(g)}, where the subnets {names} fit equally well; take the wire from all but one: {ways}"
    )


def _denied(g: Ground) -> str:
    subnet = g.subnets[0]
    return (
        f"{_seen_on(g)}, which an operator denied for subnet '{subnet.name}'; to allow it, run: "
        f"{allowed(subnet, '--clear', g.wire)}"
    )


def _conflict(g: Ground) -> str:
    share = typed("address", "share", g.address, scope=g.scope)
    rival = "somebody else" if g.rival is None else party_sentence(g.rival)
    keep = ""
    if g.rival is not None and g.rival.kind == "nic" and g.rival.vm_name and g.rival.mac:
        fix = typed("vm", "fix-nics", g.rival.vm_name, "--nic", f"{g.rival.mac}={g.address}")
        keep = f"or make it theirs for good with: {fix}; "
    return (
        f"{_seen_on(g)}, but it belongs to {rival}; change one of the two guests; {keep}or, if both may "
        f"have it, run: {share}"
    )


def _reserved(g: Ground) -> str:
    if g.bound_to is not None:
        return (
            f"{_seen_on(g)}, but an operator keeps it for {g.bound_to}; change the guest, or end that with: "
            f"{typed('address', 'unbind', g.address, scope=g.scope)}"
        )
    if g.rival is not None and g.rival.kind == "reserved":
        return (
            f"{_seen_on(g)}, but an operator keeps it reserved; change the guest, or give it back with: "
            f"{typed('address', 'release', g.address, scope=g.scope)}"
        )
    holder = "a reservation" if g.rival is None else party_sentence(g.rival)
    return (
        f"{_seen_on(g)}, but it is held by {holder}; it becomes part of the record when the reservation is "
        f"confirmed for this VM, or is free for it when the reservation ends"
    )


def _drift(g: Ground) -> str:
    stated = ", ".join(g.stated) or "another address"
    return (
        f"Tools report {g.address} on {g.port} of VM '{g.vm}', but an operator stated {stated} for it, and "
        f"what people state stays; state this one with: {_fix(g)}, or leave it to Tools "
        f"with: {typed('vm', 'unfix-nics', g.vm, *_nic(g))}"
    )


def _unsettled(g: Ground) -> str:
    return (
        f"{_seen_on(g)}, but only since a short while; when it has stayed for the allocator's "
        f"change_settle_seconds it takes the place of what the port had before"
    )


def _shared(g: Ground) -> str:
    return (
        f"{_seen_on(g)}; it is declared shared, so it belongs to no single port; to take that back, run: "
        f"{typed('address', 'unshare', g.address, scope=g.scope)}"
    )


def _weaker(g: Ground) -> str:
    return f"Tools of VM '{g.vm}' tell {g.address}, but not on which device it is; state it with: {_fix(g)}"


def _fix(g: Ground) -> str:
    port = "PORT" if g.device_key is None else str(g.device_key)
    return typed("vm", "fix-nics", g.vm, "--nic", f"{port}={g.address}")


def _nic(g: Ground) -> tuple[str, ...]:
    return () if g.device_key is None else ("--nic", str(g.device_key))


def _link_local(g: Ground) -> str:
    return f"{_seen_on(g)}: a link-local address identifies nobody; the guest has no other, check its DHCP"


def _wire_unknown(g: Ground) -> str:
    return (
        f"{g.address} is on {g.port} of VM '{g.vm}', whose network is not known; connect the device to a "
        f"port group, or wait for the vCenter's facts about it"
    )


def _seen_on(g: Ground) -> str:
    on = f"wire '{g.wire}'" if g.wire is not None else "an unknown wire"
    return f"{g.address} is on {g.port} of VM '{g.vm}' on {on}"


_SENTENCES = {
    "no_subnet_on_wire": _no_subnet,
    "outside_prefix": _outside,
    "subnet_on_other_wire": _other_wire,
    "ambiguous": _ambiguous,
    "denied": _denied,
    "conflict": _conflict,
    "reserved": _reserved,
    "drift": _drift,
    "shared": _shared,
    "unsettled": _unsettled,
    "weaker_source": _weaker,
    "link_local": _link_local,
    "wire_unknown": _wire_unknown,
}

"""Verdicts as sentences for people: what was found, by name, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.events.address import Verdict


@dataclass(frozen=True, slots=True)
class SubnetNamed:
    """A subnet and its default wire, by name."""

    name: str
    prefix: str
    wire: str
    scope: str = "default"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a verdict rests on, by name."""

    verdict: Verdict
    address: str
    vm: str
    port: str
    """The port's label, such as "Network adapter 1"."""
    wire: str | None = None
    subnets: Sequence[SubnetNamed] = ()
    rival: str | None = None
    """Who holds the address instead: "NIC record of VM 'web-1'"."""
    kept: bool = False
    """The rival is an operator who keeps the address out of use."""
    seen: int = 0
    """VMs that are evidence so far."""
    needed: int = 0
    stated: Sequence[str] = ()
    """What operators stated for the port."""


def explain(ground: Ground) -> str:
    """One sentence (or two) on why the address has no NIC record."""
    return _SENTENCES[ground.verdict](ground)


def _no_subnet(g: Ground) -> str:
    return (
        f"{_seen_on(g)}, and no subnet contains it; if the network is yours, run: "
        f"patchbay subnet create <name> <prefix> --wire '{g.wire}'"
    )


def _outside(g: Ground) -> str:
    there = ", ".join(f"'{s.name}' ({s.prefix})" for s in g.subnets)
    return (
        f"{_seen_on(g)}, where it is outside of {there}; correct the guest, give a subnet a wider prefix, "
        f"or run: patchbay subnet create <name> <prefix> --wire '{g.wire}'"
    )


def _other_wire(g: Ground) -> str:
    subnet = g.subnets[0]
    return (
        f"{g.address} on wire '{g.wire}' lies in subnet '{subnet.name}' of wire '{subnet.wire}'; {g.seen} of "
        f"{g.needed} sightings needed to attach it, or run: "
        f"patchbay subnet set-wire {subnet.name} '{g.wire}' pin"
    )


def _ambiguous(g: Ground) -> str:
    names = ", ".join(f"'{s.name}' (scope {s.scope})" for s in g.subnets)
    return (
        f"{_seen_on(g)}, where the subnets {names} fit equally well; deny the wire for all but one: "
        f"patchbay subnet set-wire <subnet> '{g.wire}' deny"
    )


def _denied(g: Ground) -> str:
    name = g.subnets[0].name
    return (
        f"{_seen_on(g)}, which an operator denied for subnet '{name}'; to allow it, run: "
        f"patchbay subnet set-wire {name} '{g.wire}' auto"
    )


def _conflict(g: Ground) -> str:
    return (
        f"{_seen_on(g)}, but it belongs to {g.rival}; change one of the two guests, state who has it with: "
        f"patchbay vm fix-nics, or, if both may have it, run: patchbay address share {g.address}"
    )


def _reserved(g: Ground) -> str:
    if g.kept:
        return (
            f"{_seen_on(g)}, but an operator keeps it reserved; change the guest, or give it back with: "
            f"patchbay address release {g.address}"
        )
    return (
        f"{_seen_on(g)}, but it is held by {g.rival}; it becomes part of the record when the reservation is "
        f"confirmed for this VM, or is free for it when the reservation ends"
    )


def _drift(g: Ground) -> str:
    stated = ", ".join(g.stated) or "another address"
    return (
        f"Tools report {g.address} on {g.port} of VM '{g.vm}', but an operator stated {stated} for it, and "
        f"what people state stays; state this one with: patchbay vm fix-nics '{g.vm}', or leave it to Tools "
        f"with: patchbay vm unfix-nics '{g.vm}'"
    )


def _unsettled(g: Ground) -> str:
    return (
        f"{_seen_on(g)}, but only since a short while; when it has stayed for the allocator's "
        f"change_settle_seconds it takes the place of what the port had before"
    )


def _shared(g: Ground) -> str:
    return (
        f"{_seen_on(g)}; it is declared shared, so it belongs to no single port; to take that back, run: "
        f"patchbay address unshare {g.address}"
    )


def _weaker(g: Ground) -> str:
    return (
        f"Tools of VM '{g.vm}' tell {g.address}, but not on which device it is; state it with: "
        f"patchbay vm fix-nics '{g.vm}' {g.address}"
    )


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

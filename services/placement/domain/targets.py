"""Which subnets and wires each NIC of a request may use, before any host is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple
from uuid import UUID

from services.placement.domain.finding import Finding, listed
from services.placement.domain.world import Role, SubnetFacts, WireFacts, World
from shared.events.inventory import VlanTrunk
from shared.events.placement import NicRequest

_RANK: Mapping[Role, int] = {"default": 0, "pinned": 1, "detected": 2, "denied": 3}


class Exclusion(NamedTuple):
    """A subnet the ledger would not give an address from for a NIC (full, taken …), in the ledger's words."""

    nic: int
    subnet: UUID
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Option:
    """One way to connect a NIC: an address of the subnet, on the wire."""

    subnet: SubnetFacts
    wire: WireFacts
    role: Role

    @property
    def preference(self) -> tuple[int, str, str, str, str]:
        """Least is best: the subnet's default wire, then pinned, then detected ones; then by name and id."""
        return (
            _RANK[self.role],
            self.subnet.name,
            str(self.subnet.id),
            self.wire.name,
            str(self.wire.id),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A NIC's options, best first, and what was asked for in words ("subnet web-a")."""

    index: int
    words: str
    options: tuple[Option, ...]
    findings: tuple[Finding, ...]
    reason: str | None
    """Set when there is no option: the sentence that says why."""


def target(index: int, nic: NicRequest, world: World, excluded: Iterable[Exclusion] = ()) -> Target:
    """Options of one NIC."""
    words = _words(nic)
    wires = world.find_wires(nic.wire) if nic.wire is not None else {}
    if nic.wire is not None and not wires:
        return _impossible(index, words, "wire_known", "no port group of this id or name is known")
    subnets, missing = _named_subnets(nic, wires, world)
    if missing is not None:
        return _impossible(index, words, "subnet_known", missing)
    findings: list[Finding] = []
    options: list[Option] = []
    reasons = {item.subnet: item for item in excluded if item.nic == index}
    for subnet in subnets:
        refusal = _subnet_rule(subnet, nic, reasons.get(subnet.id))
        if refusal is not None:
            findings.append(Finding("subnet", str(subnet.id), subnet.name, refusal[0], False, refusal[1]))
            continue
        fitting = list(_options(subnet, nic, wires, world, findings))
        if not fitting:
            because = "no wire that a NIC can be connected to carries it"
            findings.append(Finding("subnet", str(subnet.id), subnet.name, "wire", False, because))
        options += fitting
    options.sort(key=lambda option: option.preference)
    reason = None if options else _summary(words, findings)
    return Target(index, words, tuple(options), tuple(findings), reason)


def _words(nic: NicRequest) -> str:
    if nic.subnet is not None:
        return f"subnet {nic.subnet}"
    if nic.wire is not None:
        return f"a subnet of wire {nic.wire}"
    if nic.address is not None:
        return f"a subnet with {nic.address}"
    return f"any {nic.family} subnet" if nic.family else "any subnet"


def _impossible(index: int, words: str, rule: str, because: str) -> Target:
    finding = Finding("request", f"nic/{index}", words, rule, False, because)
    return Target(index, words, (), (finding,), f"NIC {index} asks for {words}: {because}")


def _summary(words: str, findings: list[Finding]) -> str:
    failed = [finding for finding in findings if finding.kind == "subnet"]
    if len(failed) == 1:
        return f"{words} cannot be used: {failed[0].name}: {failed[0].because}"
    parts = [f"{finding.name}: {finding.because}" for finding in failed[:4]]
    more = f"; and {len(failed) - 4} more" if len(failed) > 4 else ""
    return f"none of the {len(failed)} subnets for {words!r} can be used: {'; '.join(parts)}{more}"


def _named_subnets(
    nic: NicRequest, wires: Mapping[UUID, WireFacts], world: World
) -> tuple[list[SubnetFacts], str | None]:
    """Subnets that are asked for, by name and id; or why there are none."""
    if nic.subnet is not None:
        found = world.find_subnet(nic.subnet, nic.scope)
        if found is not None:
            return [found], None
        names = listed([subnet.name for subnet in world.subnets if subnet.scope == nic.scope])
        return [], f"not known in scope {nic.scope!r}, which has {names}"
    in_scope = [subnet for subnet in world.subnets if subnet.scope == nic.scope]
    if nic.wire is not None:
        living = [subnet for subnet in in_scope if not wires.keys().isdisjoint(subnet.roles)]
        hint = f"no subnet of scope {nic.scope!r} lives on it; create one, or pin one to it"
        return living, None if living else hint
    return in_scope, None if in_scope else f"scope {nic.scope!r} has no subnet; create one"


def _subnet_rule(subnet: SubnetFacts, nic: NicRequest, excluded: Exclusion | None) -> tuple[str, str] | None:
    """The first rule that rules a subnet out for a NIC, and why."""
    family = f"ipv{subnet.prefix.version}"
    if nic.family is not None and family != nic.family:
        return "family", f"it is {family}, {nic.family} is asked for"
    if nic.address is not None and ip_address(nic.address) not in subnet.prefix:
        return "address", f"{nic.address} is not within {subnet.prefix}"
    if nic.subnet is None and not subnet.auto_allocate:
        return "auto_allocate", "it is used only when a request names it"
    if excluded is not None:
        return excluded.code, excluded.message
    if nic.address is None and not subnet.has_free:
        return "subnet_full", f"no address of {subnet.prefix} is free"
    return None


def _options(
    subnet: SubnetFacts,
    nic: NicRequest,
    wires: Mapping[UUID, WireFacts],
    world: World,
    findings: list[Finding],
) -> Iterable[Option]:
    for identity, role in sorted(subnet.roles.items(), key=lambda item: str(item[0])):
        if nic.wire is not None and identity not in wires:
            continue
        wire = world.wires.get(identity)
        refusal = _wire_rule(subnet, wire, role, explicit=nic.wire is not None)
        if refusal is not None or wire is None:
            rule, because = refusal or ("wire_known", "no fact about it has arrived")
            name = wire.name if wire else str(identity)
            findings.append(Finding("wire", str(identity), name, rule, False, because))
            continue
        yield Option(subnet, wire, role)


def _wire_rule(
    subnet: SubnetFacts, wire: WireFacts | None, role: Role, *, explicit: bool
) -> tuple[str, str] | None:
    """The first rule that rules a wire out for a subnet, and why."""
    if wire is None:
        return "wire_known", f"subnet {subnet.name} is kept on it, but no vCenter has shown it yet"
    if role == "denied":
        return "denied", f"an operator denied it for subnet {subnet.name}"
    if wire.retired:
        return "retired", "its port group is gone from the vCenter"
    if wire.uplink:
        return "uplink_portgroup", "it carries the switch's uplinks"
    if wire.kind == "opaque":
        return "kind", "an opaque network cannot be described to a provisioning system yet"
    if isinstance(wire.vlan, VlanTrunk) and not explicit:
        return "trunk", "it is a trunk, and used only when a request names it"
    return None

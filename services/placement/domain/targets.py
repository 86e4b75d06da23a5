"""Which subnets and wires each NIC of a request may use, before any host is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple
from uuid import UUID

from services.placement.domain.finding import Finding, listed
from services.placement.domain.rules import subnet_rule, wire_rule
from services.placement.domain.world import Role, SubnetFacts, WireFacts, World
from shared.events.placement import NicRequest

_RANK: Mapping[Role, int] = {"default": 0, "mapped": 1, "pinned": 2, "detected": 3, "denied": 4}
Families = tuple[int, ...]


class Exclusion(NamedTuple):
    """A subnet the ledger would not give an address from for a NIC (full, taken …), in the ledger's words."""

    nic: int
    subnet: UUID
    code: str
    message: str


class Option(NamedTuple):
    """One way to connect a NIC: an address of each of the subnets, on the wire."""

    subnets: tuple[SubnetFacts, ...]
    """One, or one of each family, IPv4 first."""
    wire: WireFacts
    roles: tuple[Role, ...]

    @property
    def subnet(self) -> SubnetFacts:
        """The first of the subnets."""
        return self.subnets[0]

    @property
    def role(self) -> Role:
        """What the wire is to the first subnet."""
        return self.roles[0]

    @property
    def preference(self) -> tuple[int, tuple[tuple[str, str], ...], str, str]:
        """Least is best: default wire before mapped, pinned and detected ones; then by name and id."""
        return (
            max(_RANK[role] for role in self.roles),
            tuple((subnet.name, str(subnet.id)) for subnet in self.subnets),
            self.wire.name,
            str(self.wire.id),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A NIC's options, best first, and what was asked for in words ("subnet web-a")."""

    words: str
    options: tuple[Option, ...]
    findings: tuple[Finding, ...]
    reason: str | None
    """Set when there is no option: the sentence that says why, but for the NIC's number."""
    by_host: Mapping[int, Sequence[Option]] = field(default_factory=dict, compare=False)
    """The options that each host has the wire of, best first, by the host's number."""
    subnets: Mapping[UUID, SubnetFacts] = field(default_factory=dict, compare=False)
    """Of all options."""


def target(nic: NicRequest, world: World, excluded: Iterable[Exclusion] = ()) -> Target:
    """Options of one NIC. What was worked out once is kept with the world.

    How many addresses and ports are free is left to who chooses: it changes with every placement.
    """
    reasons = {item.subnet: item for item in excluded}
    if reasons:
        return _target(nic, world, reasons)
    key = (
        "target", nic.subnet, nic.wire, nic.scope, nic.family, nic.address, nic.suffix, nic.second_subnet,
        nic.second_address, tuple(sorted(nic.labels.items())),
    )  # fmt: skip
    found: Target | None = world.cache.get(key)
    if found is None:
        found = world.cache[key] = _target(nic, world, {})
    return found


def _target(nic: NicRequest, world: World, excluded: Mapping[UUID, Exclusion]) -> Target:
    words = _words(nic)
    wires = world.find_wires(nic.wire) if nic.wire is not None else {}
    if nic.wire is not None and not wires:
        return _impossible(words, "wire_known", "no port group of this id or name is known")
    findings: list[Finding] = []
    lists: list[list[Option]] = []
    for family in _families(nic):
        subnets, missing = _candidates(nic, family, wires, world)
        if missing is not None:
            return _impossible(words, "subnet_known", missing)
        lists.append(
            _single_options(nic, family, subnets, wires, world, excluded=excluded, findings=findings)
        )
    options = lists[0] if len(lists) == 1 else _pairs(lists[0], lists[1])
    if len(lists) == 2 and all(lists) and not options:
        because = "no wire carries a subnet of either family"
        findings.append(Finding("request", "nic", words, "dual_stack", False, because))
    options.sort(key=lambda option: option.preference)
    reason = None if options else _summary(words, findings)
    findings = list(dict.fromkeys(findings))
    used = {subnet.id: subnet for option in options for subnet in option.subnets}
    return Target(words, tuple(options), tuple(findings), reason, _by_host(options, world), used)


def _families(nic: NicRequest) -> list[int | None]:
    """The family of each address that the NIC gets; None: any."""
    if nic.family == "dual":
        return [4, 6]
    return [None if nic.family is None else int(nic.family[-1])]


def _by_host(options: Sequence[Option], world: World) -> dict[int, Sequence[Option]]:
    found: dict[int, Sequence[Option]] = {}
    numbers: dict[UUID, list[int]] = {}
    for option in options:
        identity = option.wire.id
        if identity not in numbers:
            numbers[identity] = world.numbers_on(option.wire)
        # Shared by all hosts that have no other: mostly that is all of them.
        alone = (option,)
        for number in numbers[identity]:
            others = found.get(number)
            if others is None:
                found[number] = alone
            elif isinstance(others, list):
                others.append(option)
            else:
                found[number] = [*others, option]
    return found


def _words(nic: NicRequest) -> str:
    if nic.subnet is not None:
        named = nic.subnet if nic.second_subnet is None else f"{nic.subnet} with {nic.second_subnet}"
        words = f"subnet {named}"
    elif nic.wire is not None:
        words = f"a subnet of wire {nic.wire}"
    elif nic.address is not None:
        words = f"a subnet with {nic.address}"
    else:
        words = f"any {nic.family} subnet" if nic.family in {"ipv4", "ipv6"} else "any subnet"
    if nic.family == "dual":
        words += " (dual stack)"
    if nic.labels:
        words += " labelled " + listed([f"{key}={value}" for key, value in sorted(nic.labels.items())])
    return words


def _impossible(words: str, rule: str, because: str) -> Target:
    finding = Finding("request", "nic", words, rule, False, because)
    return Target(words, (), (finding,), f"{words}: {because}")


def _summary(words: str, findings: list[Finding]) -> str:
    failed = [finding for finding in findings if finding.kind == "subnet"]
    failed = failed or [finding for finding in findings if finding.kind == "request"]
    if len(failed) == 1:
        return f"{words} cannot be used: {failed[0].name}: {failed[0].because}"
    parts = [f"{finding.name}: {finding.because}" for finding in failed[:4]]
    more = f"; and {len(failed) - 4} more" if len(failed) > 4 else ""
    return f"none of the {len(failed)} subnets for {words!r} can be used: {'; '.join(parts)}{more}"


def _candidates(
    nic: NicRequest, family: int | None, wires: Mapping[UUID, WireFacts], world: World
) -> tuple[list[SubnetFacts], str | None]:
    """Subnets that are asked for, by name and id; or why there are none."""
    named = _named(nic, family, world)
    if isinstance(named, str):
        return [], named
    if named is not None:
        return [named], None
    if nic.wire is not None:
        living = [subnet for subnet in world.subnets_on(wires) if subnet.scope == nic.scope]
        hint = f"no subnet of scope {nic.scope!r} lives on it; create one, or pin one to it"
        return living, None if living else hint
    in_scope = [subnet for subnet in world.subnets if subnet.scope == nic.scope]
    return in_scope, None if in_scope else f"scope {nic.scope!r} has no subnet; create one"


def _named(nic: NicRequest, family: int | None, world: World) -> SubnetFacts | str | None:
    """The subnet that is named for a family; a sentence when it is not known, None when any will do."""
    for text in (nic.subnet, nic.second_subnet):
        if text is None:
            continue
        found = world.find_subnet(text, nic.scope)
        if found is None:
            names = listed([subnet.name for subnet in world.subnets if subnet.scope == nic.scope])
            return f"{text} is not known in scope {nic.scope!r}, which has {names}"
        # Of a dual-stack NIC each name stands for its own family.
        if nic.family != "dual" or found.prefix.version == family:
            return found
    return None


def _single_options(
    nic: NicRequest,
    family: int | None,
    subnets: Iterable[SubnetFacts],
    wires: Mapping[UUID, WireFacts],
    world: World,
    *,
    excluded: Mapping[UUID, Exclusion],
    findings: list[Finding],
) -> list[Option]:
    """Options with one address each, in `family` if any; what rules others out is added to `findings`."""
    options: list[Option] = []
    for subnet in subnets:
        if nic.family == "dual" and subnet.prefix.version != family:
            continue
        refusal = subnet_rule(subnet, nic)
        if refusal is None and subnet.id in excluded:
            refusal = (excluded[subnet.id].code, excluded[subnet.id].message)
        if refusal is not None:
            findings.append(Finding("subnet", str(subnet.id), subnet.name, refusal[0], False, refusal[1]))
            continue
        fitting = list(_on_wires(subnet, nic, wires, world, findings))
        if not fitting:
            because = "no wire that a NIC can be connected to carries it"
            findings.append(Finding("subnet", str(subnet.id), subnet.name, "wire", False, because))
        options += fitting
    if nic.family == "dual" and not options:
        because = f"no IPv{family} subnet can be used"
        findings.append(Finding("request", "nic", _words(nic), "dual_stack", False, because))
    return options


def _pairs(first: Sequence[Option], second: Sequence[Option]) -> list[Option]:
    """An option of each family on the same wire."""
    on_wire: dict[UUID, list[Option]] = {}
    for option in second:
        on_wire.setdefault(option.wire.id, []).append(option)
    return [
        Option((*one.subnets, *other.subnets), one.wire, (*one.roles, *other.roles))
        for one in first
        for other in on_wire.get(one.wire.id, ())
    ]


def _on_wires(
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
        refusal = wire_rule(subnet, wire, role, explicit=nic.wire is not None)
        if refusal is not None or wire is None:
            rule, because = refusal or ("wire_known", "no fact about it has arrived")
            name = wire.name if wire else str(identity)
            findings.append(Finding("wire", str(identity), name, rule, False, because))
            continue
        yield Option((subnet,), wire, (role,))


def wanted_address(nic: NicRequest, subnet: SubnetFacts) -> str | None:
    """The address that a NIC wants of a subnet, by itself or by its host part; None: any."""
    for text in (nic.address, nic.second_address):
        if text is not None and ip_address(text).version == subnet.prefix.version:
            return text
    if nic.suffix is not None:
        return str(subnet.prefix.network_address + nic.suffix)
    return None

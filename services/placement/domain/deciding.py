"""The decision: a host and an option for each NIC, or a refusal; and what every rule said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.placement.domain.connecting import Failure, uplinks
from services.placement.domain.finding import Finding, listed
from services.placement.domain.hosts import (
    AFTER_REACH,
    PHRASES,
    Fit,
    Need,
    out_of_sight,
    rated,
    restricts,
)
from services.placement.domain.peers import wishes
from services.placement.domain.policy import Policy
from services.placement.domain.searching import Found, best_of, look_at
from services.placement.domain.targets import Exclusion, Option, Target, target, wanted_address
from services.placement.domain.world import HostFacts, World
from shared.events.placement import NicRequest, VmCreateRequested


@dataclass(frozen=True, slots=True)
class Rival:
    """A host that would have done as well."""

    host: HostFacts
    score: float
    because: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the VM goes. `options` are in the order of the request's NICs."""

    host: HostFacts
    options: tuple[Option, ...]
    findings: tuple[Finding, ...]
    alternates: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nowhere: one sentence, and what each rule said."""

    reason: str
    findings: tuple[Finding, ...]


def decide(
    request: VmCreateRequested,
    world: World,
    policy: Policy,
    now: datetime,
    excluded: Iterable[Exclusion] = (),
    *,
    everything: bool = False,
) -> Choice | Refusal:
    """Choose the host with the best score that fits; equal scores go to the least (vCenter, host) id.

    A refusal has a finding for every host. A choice names the first hosts that were ruled out although they
    see the subnets, and counts all others by rule, unless `everything` is asked for.
    """
    refusal = _impossible(request, now)
    if refusal is not None:
        return refusal
    excluded = tuple(excluded)
    targets = [
        target(nic, world, [item for item in excluded if item.nic == index])
        for index, nic in enumerate(request.nics)
    ]
    findings, reasons = _about_targets(request.nics, targets, world)
    wanted, unknown = wishes(request.where, world)
    for name in unknown:
        reasons.append(f"VM {name} of the affinity is not known")
        findings.append(Finding("request", "where", name, "vm_known", False, reasons[-1]))
    if reasons:
        return Refusal("; ".join(dict.fromkeys(reasons)), tuple(dict.fromkeys(findings)))
    need = Need(
        request, targets, out_of_sight(world, policy, now), wanted, world.root_pools,
        not restricts(request.where),
    )  # fmt: skip
    numbers = min((wanted.by_host for wanted in targets), key=len).keys()
    if everything:
        found = look_at(range(len(world.listed)), need, world, policy)
    else:
        found = best_of(numbers, need, world, policy)
    if not found.fits:
        rest = () if everything else [n for n in range(len(world.listed)) if n not in numbers]
        failures = sorted([*found.failures, *look_at(rest, need, world, policy).failures])
        reason = _sum_up(request, targets, [failure for _, failure in failures])
        return Refusal(reason, (*dict.fromkeys(findings), *_ruled_out(failures, world)))
    best = found.fits[0]
    alternates = tuple(
        Rival(world.listed[fit.number], fit.score, rated(fit, need, world, policy))
        for fit in found.fits[1 : policy.alternatives + 1]
    )
    told = found.failures if everything else _worth_naming(found.failures, policy.named)
    explained = [
        *_explain(best, found, need, world, policy),
        *(Finding("host", r.host.id, r.host.name, "alternative", True, r.because) for r in alternates),
        *_passed_through(request, world),
        *(findings if everything else _shortened(findings, policy.named)),
        *_ruled_out(told, world),
    ]
    if not everything:
        explained += _counted(found, told, world, policy)
    return Choice(world.listed[best.number], best.options, tuple(dict.fromkeys(explained)), alternates)


def _impossible(request: VmCreateRequested, now: datetime) -> Refusal | None:
    """What no world could offer: an answer in time, or one address to two NICs of one holder."""
    if request.deadline is not None and now > request.deadline:
        because = f"the deadline {request.deadline.isoformat()} is over"
        return Refusal(because, (Finding("request", "deadline", request.name, "deadline", False, because),))
    texts = [
        (nic.scope, text)
        for nic in request.nics
        for text in (nic.address, nic.second_address)
        if text is not None
    ]
    for (_, address), count in Counter(texts).items():
        if count > 1:
            because = f"{count} NICs of the request want {address}; each needs its own"
            return Refusal(because, (Finding("address", address, address, "asked_once", False, because),))
    return None


def _about_targets(
    nics: Sequence[NicRequest], targets: Sequence[Target], world: World
) -> tuple[list[Finding], list[str]]:
    """What rules subnets out for each NIC, and the reasons why a NIC has none left."""
    findings: list[Finding] = []
    reasons: list[str] = []
    for index, (nic, wanted) in enumerate(zip(nics, targets, strict=True)):
        findings += wanted.findings
        if wanted.reason is not None:
            reasons.append(f"NIC {index}: {wanted.reason}")
            continue
        # Nearly always empty, or few of many: only then is there something to look at.
        full = [wanted.subnets[key] for key in world.full & wanted.subnets.keys()]
        full = [subnet for subnet in full if wanted_address(nic, subnet) is None]
        told = [
            Finding("subnet", str(s.id), s.name, "subnet_full", False, f"no address of {s.prefix} is free")
            for s in sorted(full, key=lambda subnet: (subnet.name, str(subnet.id)))
        ]
        findings += told
        gone = {subnet.id for subnet in full}
        if full and all(any(s.id in gone for s in option.subnets) for option in wanted.options):
            reasons.append(f"NIC {index}: {_no_address(wanted.words, told)}")
    return findings, reasons


def _shortened(findings: Sequence[Finding], limit: int) -> list[Finding]:
    """The first findings, and how many more each rule has."""
    left = Counter((finding.kind, finding.rule) for finding in findings[limit:])
    return [
        *findings[:limit],
        *(
            Finding(kind, "-", "-", rule, False, f"{count} further ruled out")
            for (kind, rule), count in sorted(left.items())
        ),
    ]


def _no_address(words: str, full: Sequence[Finding]) -> str:
    if len(full) == 1:
        return f"{words} cannot be used: {full[0].name}: {full[0].because}"
    return f"{len(full)} subnets for {words!r} are full: {listed([finding.name for finding in full])}"


def _ruled_out(failures: Iterable[tuple[int, Failure]], world: World) -> Iterable[Finding]:
    for number, failure in failures:
        host = world.listed[number]
        yield Finding("host", host.id, host.name, failure.rule, False, failure.because)


def _worth_naming(failures: Sequence[tuple[int, Failure]], limit: int) -> list[tuple[int, Failure]]:
    return [item for item in failures if item[1].rule != "reach"][:limit]


def _counted(
    found: Found, told: Sequence[tuple[int, Failure]], world: World, policy: Policy
) -> Iterable[Finding]:
    """The hosts that are not named, by what is said of them."""
    rules = Counter(failure.rule for _, failure in found.failures)
    rules.subtract(failure.rule for _, failure in told)
    rules["reach"] += len(world.listed) - len(found.fits) - len(found.failures) - found.left
    for rule, count in sorted(rules.items()):
        if count:
            because = f"{count} further {'host' if count == 1 else 'hosts'} ruled out"
            yield Finding("host", "-", "-", rule, False, because)
    others = len(found.fits) - 1 - policy.alternatives
    if others > 0:
        because = f"{others} further {'host fits' if others == 1 else 'hosts fit'} with a lower rank"
        yield Finding("host", "-", "-", "fits", True, because)
    if found.left:
        least = found.fits[policy.alternatives].score
        because = f"{found.left} further {'host' if found.left == 1 else 'hosts'}: no score above {least:.3f}"
        yield Finding("host", "-", "-", "score", False, because)


def _explain(best: Fit, found: Found, need: Need, world: World, policy: Policy) -> Iterable[Finding]:
    """Why the host was chosen, and through which wires."""
    host = world.listed[best.number]
    rivals = len(found.fits) + found.left
    head = f"best of {rivals} hosts" if rivals > 1 else "the only host that fits"
    if found.left:
        head = f"best of {rivals + len(found.failures)} hosts that see it"
    because = f"{head}; {rated(best, need, world, policy)}"
    yield Finding("host", host.id, host.name, "chosen", True, because)
    for option, wanted in zip(best.options, need.targets, strict=True):
        yield _wire_finding(host, option, wanted.by_host.get(best.number, ()))


def _wire_finding(host: HostFacts, option: Option, offers: Sequence[Option]) -> Finding:
    role = "default wire" if option.role == "default" else f"additional wire ({option.role})"
    names = " and ".join(subnet.name for subnet in option.subnets)
    links = uplinks(host, option.wire)
    if links is None:
        alive = "state of its uplinks is not known"
    else:
        alive = f"uplinks {listed(links.alive)} have link"
    wires = len({offer.wire.id for offer in offers})
    others = f"; preferred to {wires - 1} other {'wire' if wires == 2 else 'wires'}" if wires > 1 else ""
    because = f"{role} of subnet {names}; {alive}{others}"
    return Finding("wire", str(option.wire.id), option.wire.name, "chosen", True, because)


def _passed_through(request: VmCreateRequested, world: World) -> Iterable[Finding]:
    """What was not checked, since no fact tells of it."""
    where = request.where
    if request.disks:
        total = sum(disk.size_gb for disk in request.disks)
        because = f"{total} GB of disks passed through: facts do not tell the free space of datastores"
        yield Finding("request", "disks", request.name, "passed_through", True, because)
    if where.folder is not None:
        because = f"folder {where.folder} passed through: facts do not tell of folders"
        yield Finding("request", "where.folder", where.folder, "passed_through", True, because)
    if where.resource_pool is not None and where.resource_pool not in world.root_pools:
        because = f"resource pool {where.resource_pool} passed through: facts tell of root pools only"
        yield Finding("request", "where.resource_pool", where.resource_pool, "passed_through", True, because)


def _sum_up(request: VmCreateRequested, targets: Sequence[Target], failures: Sequence[Failure]) -> str:
    """One sentence: "12 hosts see subnet web-a; 9 lack 64 GiB of memory; 3 have no live uplink"."""
    if not failures:
        return "no host is known yet; is a vCenter added and its collector running?"
    counts = Counter(failure.rule for failure in failures)
    words = listed(list(dict.fromkeys(wanted.words for wanted in targets)))
    see = sum(counts[rule] for rule in AFTER_REACH)
    if see:
        head = f"{see} {'host sees' if see == 1 else 'hosts see'} {words}"
        rules = [(rule, phrase) for rule, phrase in PHRASES if rule in AFTER_REACH]
    else:
        total = len(failures)
        head = (
            f"the only host cannot offer {words}"
            if total == 1
            else f"none of {total} hosts can offer {words}"
        )
        rules = list(PHRASES)
    parts = [phrase(request, counts[rule]) for rule, phrase in rules if counts[rule]]
    if see and len(failures) > see:
        parts.append(
            f"{len(failures) - see} further {'host is' if len(failures) - see == 1 else 'hosts are'} out"
        )
    return "; ".join([head, *parts])

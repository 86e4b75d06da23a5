"""The decision: a host and an option for each NIC, or a refusal; and what every rule said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.placement.domain.finding import Finding, listed
from services.placement.domain.hosts import (
    AFTER_REACH,
    PHRASES,
    Failure,
    Fit,
    Need,
    consider,
    out_of_sight,
    uplinks,
)
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Exclusion, Option, Target, target
from services.placement.domain.world import HostFacts, World
from shared.events.placement import VmCreateRequested


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the VM goes. `options` are in the order of the request's NICs."""

    host: HostFacts
    options: tuple[Option, ...]
    findings: tuple[Finding, ...]


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
) -> Choice | Refusal:
    """Choose the host with the best score that fits; equal scores go to the least (vCenter, host) id."""
    twice = _asked_twice(request)
    if twice is not None:
        return twice
    excluded = tuple(excluded)
    targets = [target(index, nic, world, excluded) for index, nic in enumerate(request.nics)]
    findings = [finding for wanted in targets for finding in wanted.findings]
    reasons = [wanted.reason for wanted in targets if wanted.reason is not None]
    if reasons:
        return Refusal("; ".join(dict.fromkeys(reasons)), tuple(dict.fromkeys(findings)))
    fits, failures = _consider_all(Need(request, targets, out_of_sight(world, policy, now)), world, policy)
    findings += [Finding("host", host.id, host.name, *_failed(failure)) for host, failure in failures]
    if not fits:
        reason = _sum_up(request, targets, [failure for _, failure in failures])
        return Refusal(reason, tuple(dict.fromkeys(findings)))
    best = fits[0]
    findings = [*_explain(fits, policy.alternatives), *findings]
    return Choice(best.host, best.options, tuple(dict.fromkeys(findings)))


def _asked_twice(request: VmCreateRequested) -> Refusal | None:
    """Two NICs that want one address: the ledger would grant it twice, as they have one holder."""
    wanted = Counter((nic.scope, nic.address) for nic in request.nics if nic.address is not None)
    for (_, address), count in wanted.items():
        if count > 1:
            because = f"{count} NICs of the request want {address}; each needs its own"
            return Refusal(because, (Finding("address", address, address, "asked_once", False, because),))
    return None


def _consider_all(
    need: Need, world: World, policy: Policy
) -> tuple[list[Fit], list[tuple[HostFacts, Failure]]]:
    """Hosts that fit, best first, and those that do not, by id."""
    fits: list[Fit] = []
    failures: list[tuple[HostFacts, Failure]] = []
    for host in world.hosts.values():
        verdict = consider(host, need, world, policy)
        if isinstance(verdict, Fit):
            fits.append(verdict)
        else:
            failures.append((host, verdict))
    fits.sort(key=lambda fit: (-fit.score, fit.host.key))
    return fits, failures


def _failed(failure: Failure) -> tuple[str, bool, str]:
    return failure.rule, False, failure.because


def _explain(fits: Sequence[Fit], alternatives: int) -> Iterable[Finding]:
    """Why the first of `fits` was chosen, through which wires, and which hosts came next."""
    best = fits[0]
    rivals = f"best of {len(fits)} hosts" if len(fits) > 1 else "the only host that fits"
    yield Finding("host", best.host.id, best.host.name, "chosen", True, f"{rivals}; {best.because}")
    for option in best.options:
        role = "default wire" if option.role == "default" else f"additional wire ({option.role})"
        links = uplinks(best.host, option.wire)
        alive = (
            "state of its uplinks is not known"
            if links is None
            else f"uplinks {listed(links.alive)} have link"
        )
        because = f"{role} of subnet {option.subnet.name}; {alive}"
        yield Finding("wire", str(option.wire.id), option.wire.name, "chosen", True, because)
    for fit in fits[1 : alternatives + 1]:
        yield Finding("host", fit.host.id, fit.host.name, "alternative", True, fit.because)


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

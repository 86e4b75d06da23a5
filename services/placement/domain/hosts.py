"""The rules about hosts: which may take a VM, and how well it would sit there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.placement.domain.connecting import Failure, connect, reaches, uplinks
from services.placement.domain.finding import amount, counted, listed
from services.placement.domain.peers import Wish, share_met, unmet
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Option, Target
from services.placement.domain.world import HostFacts, HostKey, Load, VcenterFacts, World
from shared.events.placement import VmCreateRequested, Where

__all__ = ["Failure", "Fit", "Need", "consider", "lacks", "out_of_sight", "rated", "reaches", "uplinks"]


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be placed, what its peers ask for, and the vCenters on whose hosts nothing is placed."""

    request: VmCreateRequested
    targets: Sequence[Target]
    out_of_sight: Mapping[UUID, Failure]
    wishes: Sequence[Wish] = ()
    root_pools: frozenset[str] = frozenset()
    anywhere: bool = False
    """The request says nothing about where."""


class Fit(NamedTuple):
    """A host that would do. Sorted by it, the best comes first."""

    negative_score: float
    number: int
    options: tuple[Option, ...]

    @property
    def score(self) -> float:
        """Between 0 and 1; more is better."""
        return -self.negative_score


def consider(number: int, need: Need, world: World, policy: Policy) -> Fit | Failure:
    """Whether a host may take the VM. Of several rules that speak against it the first is named."""
    host = world.listed[number]
    if not need.anywhere:
        failure = _where(host, need)
        if failure is not None:
            return failure
    if need.out_of_sight:
        failure = need.out_of_sight.get(host.key.vcenter)
        if failure is not None:
            return failure
    failure = _out_of_service(host)
    if failure is not None:
        return failure
    options = connect(host, number, need.request.nics, need.targets, world)
    if isinstance(options, Failure):
        return options
    load = world.loads[number]
    failure = lacks(host, need.request, load, policy)
    if failure is None and need.wishes:
        failure = unmet(host, need.wishes)
    if failure is not None:
        return failure
    return Fit(-_score(host, need, load, policy), number, options)


def _out_of_service(host: HostFacts) -> Failure | None:
    if host.connection != "connected":
        return Failure("connection", f"it is {host.connection}")
    return Failure("maintenance", "it is in maintenance mode") if host.maintenance else None


def lacks(host: HostFacts, request: VmCreateRequested, load: Load, policy: Policy) -> Failure | None:
    """The room a host lacks for the VM, if any. Asked again under the host's lock before a commit."""
    if host.memory_mb is None or host.cpu_cores is None:
        return Failure("capacity_known", "the vCenter does not tell its memory or CPU cores")
    memory = host.memory_mb * policy.memory_overcommit
    if load.memory_mb + request.memory_mb > memory:
        free = max(memory - load.memory_mb, 0)
        return Failure(
            "memory", f"needs {amount(request.memory_mb)}, {amount(free)} of {amount(memory)} are free"
        )
    cpus = host.cpu_cores * policy.cpu_overcommit
    if load.cpus + request.cpus > cpus:
        free_cpus = max(cpus - load.cpus, 0)
        return Failure(
            "cpu",
            f"needs {counted(request.cpus)}, {free_cpus:g} of {cpus:g} are free "
            f"({host.cpu_cores} cores at ratio {policy.cpu_overcommit:g})",
        )
    return None


def _where(host: HostFacts, need: Need) -> Failure | None:
    where = need.request.where
    if where.vcenter is not None and host.key.vcenter != where.vcenter:
        return Failure("where", f"it is not in vCenter {where.vcenter}")
    places = (
        ("datacenter", where.datacenter, host.datacenter, host.datacenter_name),
        ("cluster", where.cluster, host.cluster, host.cluster_name),
        ("host", where.host, host.key.moid, host.name),
    )
    for kind, wanted, moid, name in places:
        if wanted is not None and wanted not in {moid, name}:
            return Failure("where", f"its {kind} is {name or moid or 'none'}, {wanted} is asked for")
    if where.resource_pool in need.root_pools and host.resource_pool != where.resource_pool:
        return Failure("where", f"resource pool {where.resource_pool} is not its cluster's")
    lacking = _lacking(where.required_labels, host)
    if lacking:
        return Failure("labels", f"it is not labelled {listed(lacking)}")
    return None


def _lacking(wanted: Mapping[str, str], host: HostFacts) -> list[str]:
    return [f"{key}={value}" for key, value in sorted(wanted.items()) if host.labels.get(key) != value]


def restricts(where: Where) -> bool:
    """Whether a request says anything about where that each host is to be looked at for."""
    return bool(
        where.vcenter or where.datacenter or where.cluster or where.host or where.resource_pool
        or where.required_labels
    )  # fmt: skip


def out_of_sight(world: World, policy: Policy, now: datetime) -> dict[UUID, Failure]:
    """The vCenters whose facts are not to be built on, each with why."""
    found = {}
    for identity in world.sites:
        because = _blind(world.vcenters.get(identity), policy, now)
        if because is not None:
            found[identity] = Failure("in_sight", because)
    return found


def _blind(vcenter: VcenterFacts | None, policy: Policy, now: datetime) -> str | None:
    if vcenter is None:
        return "its vCenter has not reported yet"
    if vcenter.state != "connected":
        detail = f" ({vcenter.detail})" if vcenter.detail else ""
        return f"sight of vCenter {vcenter.name} is lost{detail}"
    if vcenter.as_of is None:
        return f"vCenter {vcenter.name} was not read to the end yet"
    age = now - vcenter.as_of
    if age > policy.max_staleness:
        return (
            f"facts of vCenter {vcenter.name} are {age.total_seconds():.0f} s old, "
            f"the limit is {policy.max_staleness.total_seconds():.0f} s"
        )
    return None


def _parts(host: HostFacts, need: Need, load: Load, policy: Policy) -> list[tuple[float, float, str]]:
    """What the score is made of: weight, a share between 0 and 1, and what it means."""
    memory = (host.memory_mb or 1) * policy.memory_overcommit
    cpus = (host.cpu_cores or 1) * policy.cpu_overcommit
    parts = [
        (policy.memory_weight, (memory - load.memory_mb - need.request.memory_mb) / memory, "of memory"),
        (policy.cpu_weight, (cpus - load.cpus - need.request.cpus) / cpus, "of CPU stay free"),
    ]
    preferred = need.request.where.preferred_labels
    if preferred:
        share = 1 - len(_lacking(preferred, host)) / len(preferred)
        parts.append((policy.label_weight, share, "of the preferred labels"))
    met = share_met(host, need.wishes) if need.wishes else None
    if met is not None:
        parts.append((policy.affinity_weight, met, "of the wishes about neighbours"))
    return parts


def _score(host: HostFacts, need: Need, load: Load, policy: Policy) -> float:
    """Score of a host that has room: the weighted mean of its shares."""
    if not need.wishes and not need.request.where.preferred_labels:
        # Nearly always, and for each of a thousand hosts.
        memory = (host.memory_mb or 1) * policy.memory_overcommit
        cpus = (host.cpu_cores or 1) * policy.cpu_overcommit
        share = policy.memory_weight * (memory - load.memory_mb - need.request.memory_mb) / memory
        share += policy.cpu_weight * (cpus - load.cpus - need.request.cpus) / cpus
        return round(share / ((policy.memory_weight + policy.cpu_weight) or 1.0), 6)
    total = value = 0.0
    for weight, share, _ in _parts(host, need, load, policy):
        total += weight
        value += weight * share
    # Rounded, so that hosts that differ by less than anybody would notice tie, and the id decides.
    return round(value / (total or 1.0), 6)


def rated(fit: Fit, need: Need, world: World, policy: Policy) -> str:
    """A host's score in words: "score 0.953: 94% of memory and 97% of CPU stay free"."""
    host = world.listed[fit.number]
    shares = [f"{share:.0%} {what}" for _, share, what in _parts(host, need, world.loads[fit.number], policy)]
    words = f"{shares[0]} and {shares[1]}"
    return f"score {fit.score:.3f}: {', '.join([words, *shares[2:]])}"


def roomiest(
    request: VmCreateRequested,
    hosts: Iterable[HostFacts],
    world: World,
    policy: Policy,
    blind: Mapping[UUID, Failure],
) -> HostFacts | str:
    """The host with the best score that could take a VM whose port groups all of `hosts` have.

    Or a sentence that counts what stands against each: "no other host has its port groups", "2 lack …".
    """
    need = Need(request, (), blind)
    best: tuple[float, HostKey, HostFacts] | None = None
    against: Counter[str] = Counter()
    for host in hosts:
        load = world.load(host.key)
        failure = _where(host, need) or blind.get(host.key.vcenter) or _out_of_service(host)
        failure = failure or lacks(host, request, load, policy)
        if failure is not None:
            against[failure.rule] += 1
            continue
        score = -_score(host, need, load, policy)
        if best is None or (score, host.key) < best[:2]:
            best = (score, host.key, host)
    if best is not None:
        return best[2]
    parts = [phrase(request, against[rule]) for rule, phrase in PHRASES if against[rule]]
    return "; ".join(parts) or "no other host has its port groups"


PHRASES: tuple[tuple[str, Callable[[VmCreateRequested, int], str]], ...] = (
    ("where", lambda _, n: f"{n} {'is' if n == 1 else 'are'} outside of where it is to go"),
    ("labels", lambda _, n: f"{n} {'lacks' if n == 1 else 'lack'} a required label"),
    ("in_sight", lambda _, n: f"{n} {'belongs' if n == 1 else 'belong'} to a vCenter out of sight"),
    ("connection", lambda _, n: f"{n} {'is' if n == 1 else 'are'} not connected"),
    ("maintenance", lambda _, n: f"{n} {'is' if n == 1 else 'are'} in maintenance"),
    ("reach", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no port group of it"),
    ("uplink", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no live uplink"),
    ("ports", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no free port"),
    ("addresses", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no free address"),
    ("capacity_known", lambda _, n: f"{n} {'does' if n == 1 else 'do'} not tell the capacity"),
    ("memory", lambda r, n: f"{n} {'lacks' if n == 1 else 'lack'} {amount(r.memory_mb)} of memory"),
    ("cpu", lambda r, n: f"{n} {'lacks' if n == 1 else 'lack'} {counted(r.cpus)}"),
    ("affinity", lambda _, n: f"{n} {'is' if n == 1 else 'are'} not where it has to be near to"),
    ("anti_affinity", lambda _, n: f"{n} {'has' if n == 1 else 'have'} a VM it has to be far from"),
)
"""The rules in the order they are asked, and how a refusal counts the hosts each ruled out."""

AFTER_REACH = frozenset(
    {"uplink", "ports", "addresses", "capacity_known", "memory", "cpu", "affinity", "anti_affinity"}
)
"""Rules that only hosts meet which see the subnets."""

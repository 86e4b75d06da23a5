"""The rules about hosts: which may take a VM, and how well it would sit there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.placement.domain.finding import amount, counted, listed
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Option, Target
from services.placement.domain.world import HostFacts, Links, Load, VcenterFacts, WireFacts, World
from shared.events.placement import VmCreateRequested, Where


class Failure(NamedTuple):
    """The rule that ruled a host out, and why."""

    rule: str
    because: str


class Need(NamedTuple):
    """What is to be placed, and the vCenters on whose hosts nothing is."""

    request: VmCreateRequested
    targets: Sequence[Target]
    out_of_sight: Mapping[UUID, Failure]


@dataclass(frozen=True, slots=True)
class Fit:
    """A host that would do: the option of each NIC, and a score between 0 and 1 (more is better)."""

    host: HostFacts
    options: tuple[Option, ...]
    score: float
    because: str


def consider(host: HostFacts, need: Need, world: World, policy: Policy) -> Fit | Failure:
    """Whether a host may take the VM. Of several rules that speak against it the first is named."""
    failure = (
        _where(host, need.request.where)
        or need.out_of_sight.get(host.key.vcenter)
        or _connected(host)
        or _in_service(host)
    )
    if failure is not None:
        return failure
    chosen: list[Option] = []
    for target in need.targets:
        option = _connect(host, target)
        if isinstance(option, Failure):
            return option
        chosen.append(option)
    load = world.load(host.key)
    failure = lacks(host, need.request, load, policy)
    if failure is not None:
        return failure
    score, because = _rate(host, need.request, load, policy)
    return Fit(host, tuple(chosen), score, because)


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


def _where(host: HostFacts, where: Where) -> Failure | None:
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
    return None


def out_of_sight(world: World, policy: Policy, now: datetime) -> dict[UUID, Failure]:
    """The vCenters whose facts are not to be built on, each with why."""
    found = {}
    for identity in {key.vcenter for key in world.hosts}:
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
    age = now - vcenter.as_of
    if age > policy.max_staleness:
        return (
            f"facts of vCenter {vcenter.name} are {age.total_seconds():.0f} s old, "
            f"the limit is {policy.max_staleness.total_seconds():.0f} s"
        )
    return None


def _connected(host: HostFacts) -> Failure | None:
    return None if host.connection == "connected" else Failure("connection", f"it is {host.connection}")


def _in_service(host: HostFacts) -> Failure | None:
    return Failure("maintenance", "it is in maintenance mode") if host.maintenance else None


def _connect(host: HostFacts, target: Target) -> Option | Failure:
    """The best option that the host reaches through a wire with a live uplink."""
    dead: list[str] = []
    for option in target.options:
        if not reaches(host, option.wire):
            continue
        links = uplinks(host, option.wire)
        if links is None or links.alive:
            return option
        dead.append(f"{option.wire.name} ({_dead(links)})")
    if dead:
        return Failure("uplink", f"no live uplink for {target.words}: {listed(dead)}")
    return Failure("reach", f"no port group on it carries {target.words}")


def _dead(links: Links) -> str:
    return f"{listed(links.down)} without link" if links.down else "no uplink at all"


def reaches(host: HostFacts, wire: WireFacts) -> bool:
    """Whether the host has the port group."""
    return wire.vcenter == host.key.vcenter and host.key.moid in wire.hosts


def uplinks(host: HostFacts, wire: WireFacts) -> Links | None:
    """Uplinks of the wire's switch on a host; None when the facts do not tell, which rules nothing out."""
    if wire.kind == "standard":
        return host.standard_links.get(wire.name)
    return host.distributed_links.get(wire.switch_uuid) if wire.switch_uuid else None


def _rate(host: HostFacts, request: VmCreateRequested, load: Load, policy: Policy) -> tuple[float, str]:
    """Score of a host that has room: the weighted shares of memory and CPU that stay free."""
    memory = (host.memory_mb or 1) * policy.memory_overcommit
    cpus = (host.cpu_cores or 1) * policy.cpu_overcommit
    memory_share = (memory - load.memory_mb - request.memory_mb) / memory
    cpu_share = (cpus - load.cpus - request.cpus) / cpus
    total = (policy.memory_weight + policy.cpu_weight) or 1.0
    # Rounded, so that hosts that differ by less than anybody would notice tie, and the id decides.
    score = round((policy.memory_weight * memory_share + policy.cpu_weight * cpu_share) / total, 6)
    because = f"score {score:.3f}: {memory_share:.0%} of memory and {cpu_share:.0%} of CPU stay free"
    return score, because


PHRASES: tuple[tuple[str, Callable[[VmCreateRequested, int], str]], ...] = (
    ("where", lambda _, n: f"{n} {'is' if n == 1 else 'are'} outside of where it is to go"),
    ("in_sight", lambda _, n: f"{n} {'belongs' if n == 1 else 'belong'} to a vCenter out of sight"),
    ("connection", lambda _, n: f"{n} {'is' if n == 1 else 'are'} not connected"),
    ("maintenance", lambda _, n: f"{n} {'is' if n == 1 else 'are'} in maintenance"),
    ("reach", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no port group of it"),
    ("uplink", lambda _, n: f"{n} {'has' if n == 1 else 'have'} no live uplink"),
    ("capacity_known", lambda _, n: f"{n} {'does' if n == 1 else 'do'} not tell the capacity"),
    ("memory", lambda r, n: f"{n} {'lacks' if n == 1 else 'lack'} {amount(r.memory_mb)} of memory"),
    ("cpu", lambda r, n: f"{n} {'lacks' if n == 1 else 'lack'} {counted(r.cpus)}"),
)
"""The rules in the order they are asked, and how a refusal counts the hosts each ruled out."""

AFTER_REACH = frozenset({"uplink", "capacity_known", "memory", "cpu"})
"""Rules that only hosts meet which see the subnets."""

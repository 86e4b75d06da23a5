"""What would be: how many more VMs fit, what becomes of a host's VMs without it, when a subnet is full.

Decided by the rules that requests are answered by, on the world as it is now; nothing is held or kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.placement.domain.answering import facts_seen, refused
from services.placement.domain.deciding import Choice, Refusal, decide
from services.placement.domain.forecasting import Forecast, Sample, forecast
from services.placement.domain.hosts import out_of_sight, roomiest
from services.placement.domain.peers import peers_of
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Option
from services.placement.domain.world import HostFacts, Peer, World
from services.placement.handlers import system_clock
from services.placement.loading import WorldLoader
from services.placement.settings import PlacementSettings
from shared.events.inventory import VmChanged
from shared.events.placement import NicRequest, VmCreateRefused, VmCreateRequested, Where
from shared.ipam.subnets import find, utilisation
from shared.model.identifiers import wire_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool, transaction

LIMIT = 10_000
"""VMs counted at most."""
HISTORY = timedelta(days=60)

_VMS_ON = """
SELECT state FROM inventory.vm WHERE vcenter_id = $1 AND host = $2 AND NOT removed AND NOT template
  AND state IS NOT NULL AND ($3 OR power IS DISTINCT FROM 'off')
ORDER BY memory_mb DESC NULLS LAST, moid
"""
_SINCE = """
SELECT since FROM ipam.address
WHERE subnet_id = $1 AND holder_kind IN ('nic', 'sighting', 'reservation') ORDER BY since
"""


@dataclass(frozen=True, slots=True)
class Room:
    """How many more VMs of a shape fit, on which hosts (by name), and what would refuse the next one."""

    count: int
    by_host: dict[str, int]
    stopped_by: str
    limited: bool
    """The count was given up at `LIMIT`."""


@dataclass(frozen=True, slots=True)
class Move:
    """A VM of a host that is to go, and where it would find its place; `to` is None where it would not."""

    vm: str
    moid: str
    cpus: int
    memory_mb: int
    to: str | None
    because: str


@dataclass(frozen=True, slots=True)
class Evacuation:
    """What becomes of a host's VMs in its absence."""

    host: str
    vcenter: UUID
    moves: tuple[Move, ...]

    @property
    def stranded(self) -> tuple[Move, ...]:
        """VMs that no other host could take."""
        return tuple(move for move in self.moves if move.to is None)


async def how_many_fit(
    pool: Pool,
    request: VmCreateRequested,
    settings: PlacementSettings | None = None,
    *,
    without: Collection[str] = (),
    now: datetime | None = None,
    limit: int = LIMIT,
) -> Room:
    """Place VMs like `request`, one after the other, until one is refused. Wanted addresses and MACs and the
    deadline are left out of account. `without`: hosts (id or name) to do without."""
    moment = now or system_clock()
    world, policy = await _world(pool, request, settings, moment)
    world = _without(world, without)
    shape = _shape(request)
    found: Counter[str] = Counter()
    reason = f"given up after {limit}"
    while found.total() < limit:
        verdict = decide(shape, world, policy, moment)
        if isinstance(verdict, Refusal):
            reason = verdict.reason
            break
        found[verdict.host.name] += 1
        _count(world, shape, verdict)
    return Room(found.total(), dict(sorted(found.items())), reason, found.total() >= limit)


async def place_without(
    pool: Pool,
    request: VmCreateRequested,
    hosts: Collection[str],
    settings: PlacementSettings | None = None,
    *,
    now: datetime | None = None,
) -> Choice | VmCreateRefused:
    """Where a VM would go without `hosts` (ids or names). Raises PermanentError host_unknown."""
    moment = now or system_clock()
    world, policy = await _world(pool, request, settings, moment)
    verdict = decide(request, _without(world, hosts), policy, moment, everything=True)
    if isinstance(verdict, Choice):
        return verdict
    return refused(request, verdict, facts=facts_seen(world.vcenters.values(), moment))


async def evacuate(
    pool: Pool, host: str, settings: PlacementSettings | None = None, *, now: datetime | None = None
) -> Evacuation:
    """Find each VM of a host (id or name) another one with its port groups and room, the largest first.

    Addresses stay as they are. Raises PermanentError host_unknown or host_ambiguous.
    """
    moment = now or system_clock()
    own = settings or PlacementSettings()
    world, policy = await _world(pool, None, own, moment)
    going = _one_host(world, host)
    async with transaction(pool, readonly=True) as conn:
        rows = await conn.fetch(_VMS_ON, going.key.vcenter, going.key.moid, own.count_powered_off)
    rest = _without(world, [going.id])
    moves: list[Move] = []
    for row in rows:
        vm = VmChanged.model_validate(row["state"])
        moves.append(_move(vm, going, rest, policy, moment))
    return Evacuation(going.name, going.key.vcenter, tuple(moves))


async def days_until_full(
    pool: Pool, subnet: str, *, scope: str = "default", now: datetime | None = None
) -> Forecast:
    """When a subnet (id or name) is full, by the samples of the last 60 days.

    While there are none, by the time since when today's holders have their addresses: what was released
    meanwhile is not in it. Raises PermanentError subnet_unknown.
    """
    moment = now or system_clock()
    async with transaction(pool, readonly=True) as conn:
        known = await find(conn, subnet, scope)
        if known is None:
            raise PermanentError(f"no subnet {subnet!r} in scope {scope!r}", code="subnet_unknown")
        use = (await utilisation(conn, [known.id], now=moment))[known.id]
        samples = await _samples(conn, known.id, moment)
        if len(samples) >= 2:
            return forecast(use.capacity, use.used, samples, moment)
        since = [row["since"] for row in await conn.fetch(_SINCE, known.id)]
    holders = [Sample(at, count) for count, at in enumerate(since, 1)]
    if holders:
        holders.append(Sample(moment, len(holders)))
    return forecast(use.capacity, use.used, holders, moment, "holders")


async def _samples(conn: Connection, subnet: UUID, now: datetime) -> list[Sample]:
    rows = await conn.fetch(
        "SELECT at, used FROM placement.subnet_use WHERE subnet_id = $1 AND at > $2 ORDER BY at",
        subnet,
        now - HISTORY,
    )
    return [Sample(row["at"], row["used"]) for row in rows]


async def _world(
    pool: Pool, request: VmCreateRequested | None, settings: PlacementSettings | None, now: datetime
) -> tuple[World, Policy]:
    own = settings or PlacementSettings()
    policy = own.policy()
    loader = WorldLoader(policy, count_powered_off=own.count_powered_off)
    async with transaction(pool, readonly=True) as conn:
        world = await loader.load(conn, now)
        if request is not None:
            world.places = await loader.places(conn, peers_of(request.where))
    return world, policy


def _without(world: World, hosts: Collection[str]) -> World:
    """The world with some hosts in maintenance."""
    gone = {_one_host(world, text).key for text in hosts}
    if not gone:
        return world
    other = World(
        world.vcenters.values(),
        [replace(h, maintenance=True) if h.key in gone else h for h in world.listed],
        {host.key: world.load(host.key) for host in world.listed},
        world.wires.values(),
        world.subnets,
        free=world.free,
        ports_used=world.ports_used,
    )
    other.places = world.places
    return other


def _one_host(world: World, text: str) -> HostFacts:
    found = [host for host in world.listed if text in {host.id, host.key.moid, host.name}]
    if not found:
        raise PermanentError(f"no host {text!r} is known", code="host_unknown")
    if len(found) > 1:
        ids = ", ".join(host.id for host in found)
        raise PermanentError(f"{len(found)} hosts answer to {text!r}: {ids}", code="host_ambiguous")
    return found[0]


def _shape(request: VmCreateRequested) -> VmCreateRequested:
    nothing: dict[str, Any] = {"address": None, "suffix": None, "second_address": None, "mac": "generated"}
    nics = tuple(nic.model_copy(update=nothing) for nic in request.nics)
    return request.model_copy(update={"nics": nics, "deadline": None})


def _count(world: World, request: VmCreateRequested, choice: Choice) -> None:
    world.add_load(choice.host.key, request.cpus, request.memory_mb)
    for option in choice.options:
        _connect(world, option)
    for group in request.groups:
        peer = Peer("group", group)
        if peer in world.places:
            world.places[peer] = (world.places[peer] or frozenset()) | {choice.host.key}


def _connect(world: World, option: Option) -> None:
    world.add_nic(option.wire.id, [subnet.id for subnet in option.subnets])


def _move(vm: VmChanged, going: HostFacts, rest: World, policy: Policy, now: datetime) -> Move:
    """The other host that has all of a VM's port groups and the most room."""
    cpus, memory = vm.cpus or 0, vm.memory_mb or 0
    wires = [rest.wires.get(wire_id(vm.vcenter, port.network)) for port in vm.ports if port.network]
    on_all: set[int] | None = None
    for wire in wires:
        here = set(rest.numbers_on(wire)) if wire is not None else set()
        on_all = here if on_all is None else on_all & here
    numbers = range(len(rest.listed)) if on_all is None else sorted(on_all)
    asked = VmCreateRequested(
        request_id="-", name=vm.name.strip()[:80] or "-", cpus=max(cpus, 1), memory_mb=max(memory, 4),
        nics=(NicRequest(),), where=Where(vcenter=vm.vcenter),
    )  # fmt: skip
    offers = [rest.listed[number] for number in numbers if rest.listed[number].key != going.key]
    best = roomiest(asked, offers, rest, policy, out_of_sight(rest, policy, now))
    if isinstance(best, str):
        return Move(vm.name, vm.moid, cpus, memory, None, best)
    rest.add_load(best.key, cpus, memory)
    return Move(vm.name, vm.moid, cpus, memory, best.name, f"has its {len(wires)} port groups and room")

"""Decisions on random worlds: right, complete, best, and independent of what does not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import product
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.placement.domain.deciding import Choice, Refusal, decide
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Option
from services.placement.domain.world import (
    HostFacts,
    HostKey,
    Links,
    Load,
    Role,
    SubnetFacts,
    WireFacts,
    World,
)
from services.placement.domain.world import Peer as WhichPeer
from shared.events.inventory import ForeignNetwork, VlanId, VlanTrunk
from shared.events.placement import NicRequest, Peer, VmCreateRequested, Where
from tests.unit.placement.worlds import (
    DOWN,
    NOW,
    OTHER_VCENTER,
    SWITCH,
    UP,
    VCENTER,
    host,
    request,
    subnet,
    vcenter,
    wire,
    world,
)

Item = TypeVar("Item")
POLICY = Policy(cpu_overcommit=2.0, memory_overcommit=1.0)
VCENTERS = (VCENTER, OTHER_VCENTER)
SEGMENT = ForeignNetwork(id="5f2c", type="nsx.LogicalSwitch")
ROLES: tuple[Role, ...] = ("default", "pinned", "detected", "denied")


class Dice(Random):
    """Hypothesis draws the seed alone: its taste for odd values makes worlds where nothing fits."""

    def pick(self, usual: Any, *others: Any) -> Any:
        """Mostly the usual."""
        return usual if self.random() < 0.8 else self.choice(others)


def some_hosts(dice: Dice) -> list[HostFacts]:
    return [
        host(
            number,
            vcenter=dice.pick(VCENTER, OTHER_VCENTER),
            connection=dice.pick("connected", "disconnected"),
            maintenance=dice.pick(False, True),
            memory_mb=dice.pick(16384, 8192),
            cpu_cores=dice.pick(4, 2),
            cluster=(cluster := dice.choice(["blue", "green"])),
            cluster_name=cluster,
            labels=dice.pick({"disk": "nvme"}, {}),
            distributed_links=dice.pick({SWITCH: UP}, {SWITCH: DOWN}, {}, {SWITCH: Links((), ())}),
        )
        for number in range(1, dice.pick(5, 0, 1, 2) + 1)
    ]


def some_wire(number: int, dice: Dice) -> WireFacts:
    return wire(
        number,
        dice.pick([1, 2, 3, 4, 5], [1, 2, 3], [2, 4], []),
        vcenter=dice.pick(VCENTER, OTHER_VCENTER),
        retired=dice.pick(False, True),
        ports=dice.pick(None, 0, 1, 2),
        uplink=dice.pick(False, True),
        kind=dice.pick("distributed", "opaque"),
        foreign=dice.choice([None, SEGMENT]),
        vlan=dice.pick(None, VlanTrunk(ranges=((1, 9),))),
    )


def some_world(seed: int) -> World:
    dice = Dice(seed)
    known = some_hosts(dice)
    wires = [some_wire(number, dice) for number in range(1, 5)]
    subnets = []
    for number in range(1, dice.pick(3, 1, 2) + 1):
        chosen = dice.sample(wires, dice.randint(0, 4))
        roles: dict[UUID, Role] = {item.id: dice.choice(ROLES) for item in chosen}
        subnets.append(
            subnet(
                number,
                roles,
                auto_allocate=dice.pick(True, False),
                vlan=dice.pick(None, 101, 102),
                labels=dice.pick({}, {"zone": "dmz"}),
                prefix=ip_network(
                    f"2001:db8:{number}::/64" if dice.random() < 0.25 else f"10.0.{number}.0/24"
                ),
            )
        )
    loads = {item.key: Load(dice.randint(0, 8), dice.pick(0, 4096, 8192)) for item in known}
    seen = [dice.pick(NOW, NOW - timedelta(seconds=500), None) for _ in VCENTERS]
    vcenters = [vcenter(item, as_of=at) for item, at in zip(VCENTERS, seen, strict=True)]
    free = {net.id: dice.pick(100, 0, 1, 2) for net in subnets}
    used = {item.id: dice.pick(0, 1) for item in wires}
    made = world(known, wires, subnets, loads=loads, vcenters=vcenters, free=free, ports_used=used)
    keys = [item.key for item in known]
    made.places = {
        peer: frozenset(dice.sample(keys, min(len(keys), dice.pick(1, 0, 2))))
        for peer in (WhichPeer("vm", "db-1"), WhichPeer("group", "web"))
    }
    return made


def some_request(seed: int) -> VmCreateRequested:
    dice = Dice(seed)
    nics = [
        dice.choice(
            [
                NicRequest(subnet=dice.choice(["net-1", "net-2"])),
                NicRequest(wire=dice.choice(["pg-1", "dvportgroup-2"])),
                NicRequest(address=dice.pick(None, "10.0.1.7", "10.0.2.8")),
                NicRequest(family="dual", wire=dice.pick(None, "pg-1")),
                NicRequest(suffix=dice.pick(7, 300), subnet=dice.pick(None, "net-1")),
                NicRequest(labels=dice.pick({}, {"zone": "dmz"})),
            ]
        )
        for _ in range(dice.pick(1, 2, 3))
    ]
    where = Where(
        vcenter=dice.pick(None, VCENTER),
        cluster=dice.pick(None, "blue"),
        required_labels=dice.pick({}, {"disk": "nvme"}),
        anti_affinity=dice.pick((), (Peer(group="web"),), (Peer(group="web", level="cluster"),)),
        affinity=dice.pick((), (Peer(vm="db-1"),), (Peer(vm="db-1", required=False),)),
    )
    memory, cpus = dice.pick(1024, 8192, 12288), dice.pick(1, 4)
    return request(*nics, memory_mb=memory, cpus=cpus, where=where)


seeds = st.integers(0, 2**64)
worlds = seeds.map(some_world)
requests = seeds.map(some_request)


def allowed(asked: VmCreateRequested, known: World, key: HostKey, chosen: list[Option]) -> bool:
    """An answer checked from the rules as they are stated, without the code that made it."""
    machine, load, seen = known.hosts[key], known.load(key), known.vcenters[key.vcenter]
    fit = (
        seen.state == "connected"
        and seen.as_of is not None
        and NOW - seen.as_of <= POLICY.max_staleness
        and machine.connection == "connected"
        and not machine.maintenance
        and asked.where.vcenter in {None, key.vcenter}
        and asked.where.cluster in {None, machine.cluster_name}
        and asked.where.required_labels.items() <= machine.labels.items()
        and machine.memory_mb is not None
        and load.memory_mb + asked.memory_mb <= machine.memory_mb * POLICY.memory_overcommit
        and machine.cpu_cores is not None
        and load.cpus + asked.cpus <= machine.cpu_cores * POLICY.cpu_overcommit
        and neighbourly(asked, known, machine)
    )
    return (
        fit
        and all(connectable(nic, option, machine) for nic, option in zip(asked.nics, chosen, strict=True))
        and enough_for_all(asked, known, chosen)
    )


def neighbourly(asked: VmCreateRequested, known: World, machine: HostFacts) -> bool:
    for near, peers in ((True, asked.where.affinity), (False, asked.where.anti_affinity)):
        for peer in peers:
            where = known.places[
                WhichPeer("vm", peer.vm) if peer.vm else WhichPeer("group", peer.group or "")
            ]
            others = [known.hosts[key] for key in where or ()]
            if peer.level == "host":
                here = machine.key in {other.key for other in others}
            else:
                here = (machine.key.vcenter, machine.cluster) in {(o.key.vcenter, o.cluster) for o in others}
            if peer.required and others and here is not near:
                return False
    return True


def named(nic: NicRequest, net: SubnetFacts) -> Any:
    if nic.address is not None:
        return ip_address(nic.address)
    return None if nic.suffix is None else net.prefix[nic.suffix]


def enough_for_all(asked: VmCreateRequested, known: World, chosen: list[Option]) -> bool:
    """Ports and addresses suffice for all NICs together, and no address goes to two."""
    ports = Counter(option.wire.id for option in chosen)
    wanted: list[Any] = []
    taken: Counter[UUID] = Counter()
    for nic, option in zip(asked.nics, chosen, strict=True):
        for net in option.subnets:
            # An address asked for by name is the ledger's to judge; it counts for those after it.
            if named(nic, net) is None and known.free[net.id] - taken[net.id] < 1:
                return False
            taken[net.id] += 1
            if named(nic, net) is not None:
                wanted.append((net.id, named(nic, net)))
    limits = {option.wire.id: option.wire.ports for option in chosen}
    return len(wanted) == len(set(wanted)) and all(
        limit is None or known.ports_used[wire] + ports[wire] <= limit for wire, limit in limits.items()
    )


def connectable(nic: NicRequest, option: Option, machine: HostFacts) -> bool:
    pg = option.wire
    links = machine.distributed_links.get(SWITCH)
    families = [net.prefix.version for net in option.subnets]
    return (
        nic.wire in {None, pg.name, pg.network}
        and families == ([4, 6] if nic.family == "dual" else families[:1])
        and all(usable(nic, net, pg) for net in option.subnets)
        and not (pg.retired or pg.uplink or (pg.kind == "opaque" and pg.foreign is None))
        and (nic.wire is not None or not isinstance(pg.vlan, VlanTrunk))
        and pg.vcenter == machine.key.vcenter
        and machine.key.moid in pg.hosts
        and (links is None or bool(links.alive))
    )


def usable(nic: NicRequest, net: SubnetFacts, pg: WireFacts) -> bool:
    if isinstance(pg.vlan, VlanTrunk):
        carried = net.vlan is None or any(low <= net.vlan <= high for low, high in pg.vlan.ranges)
    else:
        carried = net.vlan is None or not isinstance(pg.vlan, VlanId) or pg.vlan.id == net.vlan
    return (
        carried
        and nic.subnet in {None, net.name}
        and (nic.subnet is not None or net.auto_allocate)
        and (nic.address is None or ip_address(nic.address) in net.prefix)
        and (nic.suffix is None or nic.suffix < net.prefix.num_addresses)
        and nic.labels.items() <= net.labels.items()
        and net.roles.get(pg.id) in {"default", "pinned", "detected"}
    )


def every_answer(asked: VmCreateRequested, known: World) -> Iterator[tuple[HostKey, list[Option]]]:
    single = [
        Option((net,), known.wires[identity], (role,))
        for net in known.subnets
        for identity, role in net.roles.items()
    ]
    dual = [
        Option((*a.subnets, *b.subnets), a.wire, (*a.roles, *b.roles))
        for a, b in product(single, single)
        if a.wire == b.wire and (a.subnet.prefix.version, b.subnet.prefix.version) == (4, 6)
    ]
    for key in known.hosts:
        machine = known.hosts[key]
        per_nic = [
            [o for o in (dual if nic.family == "dual" else single) if connectable(nic, o, machine)]
            for nic in asked.nics
        ]
        for chosen in product(*per_nic):
            if allowed(asked, known, key, list(chosen)):
                yield key, list(chosen)


@settings(max_examples=300, deadline=None)
@given(requests, worlds)
def test_each_nic_gets_the_best_option_and_the_vm_the_best_host(
    asked: VmCreateRequested, known: World
) -> None:
    """The best options in the order of the NICs: what the first takes, the second has to do without."""
    verdict = decide(asked, known, POLICY, NOW)
    if isinstance(verdict, Refusal):
        return

    def score(key: HostKey) -> float:
        machine, load = known.hosts[key], known.load(key)
        memory, cpus = machine.memory_mb or 0, (machine.cpu_cores or 0) * 2
        shares = [
            (memory - load.memory_mb - asked.memory_mb) / memory,
            (cpus - load.cpus - asked.cpus) / cpus,
        ]
        soft = [peer for peer in asked.where.affinity if not peer.required]
        shares += [float(key in (known.places[WhichPeer("vm", peer.vm or "")] or {key})) for peer in soft]
        return sum(shares) / len(shares)

    answers = list(every_answer(asked, known))
    assert score(verdict.host.key) >= max(score(key) for key, _ in answers) - 1e-5
    rivals = [[o.preference for o in chosen] for key, chosen in answers if key == verdict.host.key]
    assert [option.preference for option in verdict.options] == min(rivals)


def wants_one_address_twice(asked: VmCreateRequested) -> bool:
    wanted = [nic.address for nic in asked.nics if nic.address is not None]
    return len(wanted) != len(set(wanted))


def loads_of(known: World) -> dict[HostKey, Load]:
    return {key: known.load(key) for key in known.hosts}


def summary(verdict: Choice | Refusal) -> Any:
    if isinstance(verdict, Choice):
        return verdict.host.key, [(option.preference, option.wire.id) for option in verdict.options]
    return "refused"


@settings(max_examples=300, deadline=None)
@given(requests, worlds)
def test_an_answer_keeps_every_rule_and_a_refusal_means_there_is_none(
    asked: VmCreateRequested, known: World
) -> None:
    """G6, G7: checked against the stated rules by brute force."""
    verdict = decide(asked, known, POLICY, NOW)
    if isinstance(verdict, Choice):
        assert allowed(asked, known, verdict.host.key, list(verdict.options))
    else:
        assert wants_one_address_twice(asked) or next(every_answer(asked, known), None) is None
        assert verdict.reason
        assert verdict.findings or not known.hosts


@settings(max_examples=200, deadline=None)
@given(requests, worlds)
def test_every_host_has_its_ruling(asked: VmCreateRequested, known: World) -> None:
    """G6: no host is passed over in silence once hosts are looked at."""
    everyone = Policy(cpu_overcommit=2.0, alternatives=100)
    verdict = decide(asked, known, everyone, NOW, everything=True)
    assert summary(verdict) == summary(decide(asked, known, everyone, NOW))
    ruled = {finding.id for finding in verdict.findings if finding.kind == "host"}
    if isinstance(verdict, Choice) or ruled:
        assert ruled == {item.id for item in known.hosts.values()}


@settings(max_examples=200, deadline=None)
@given(requests, worlds, st.integers(0, 2**32))
def test_the_order_in_which_things_are_listed_is_irrelevant(
    asked: VmCreateRequested, known: World, seed: int
) -> None:
    def shuffled(items: Iterable[Item]) -> list[Item]:
        mixed = list(items)
        Random(seed).shuffle(mixed)  # noqa: S311  a test's order
        return mixed

    other = World(
        shuffled(known.vcenters.values()),
        shuffled(known.hosts.values()),
        loads_of(known),
        shuffled(known.wires.values()),
        shuffled(known.subnets),
        free=known.free,
        ports_used=known.ports_used,
    )
    other.places = known.places
    assert decide(asked, known, POLICY, NOW) == decide(asked, other, POLICY, NOW)


@settings(max_examples=200, deadline=None)
@given(requests, worlds, st.data())
def test_removing_a_host_that_was_not_chosen_changes_nothing(
    asked: VmCreateRequested, known: World, data: st.DataObject
) -> None:
    verdict = decide(asked, known, POLICY, NOW)
    peers = {key for keys in known.places.values() for key in keys or ()}
    # Hosts with neighbours to be near to or far from are part of the question.
    rivals = known.hosts.keys() - peers
    others = [key for key in rivals if not isinstance(verdict, Choice) or key != verdict.host.key]
    gone = set(data.draw(st.lists(st.sampled_from(others)))) if others else set()
    fewer = World(
        known.vcenters.values(),
        [item for key, item in known.hosts.items() if key not in gone],
        loads_of(known),
        known.wires.values(),
        known.subnets,
        free=known.free,
        ports_used=known.ports_used,
    )
    fewer.places = known.places
    assert summary(decide(asked, fewer, POLICY, NOW)) == summary(verdict)


@settings(max_examples=100, deadline=None)
@given(worlds)
def test_placing_until_refused_never_oversubscribes(known: World) -> None:
    """G7: many placements in a row stay within every host's capacity, and end for lack of it."""
    asked = request(NicRequest(subnet="net-1"), memory_mb=2048)
    before = loads_of(known)
    placed: list[UUID] = []
    while isinstance(verdict := decide(asked, known, POLICY, NOW), Choice):
        known.add_load(verdict.host.key, asked.cpus, asked.memory_mb)
        known.add_nic(verdict.options[0].wire.id, [verdict.options[0].subnet.id])
        placed.append(verdict.host.key.vcenter)
    for key, item in known.hosts.items():
        if known.load(key) != before.get(key, Load(0, 0)):
            assert known.load(key).memory_mb <= (item.memory_mb or 0)
            assert known.load(key).cpus <= (item.cpu_cores or 0) * 2
    assert all(count >= 0 for count in known.free.values())
    for identity, used in known.ports_used.items():
        limit = known.wires[identity].ports
        assert limit is None or used <= max(limit, 1)

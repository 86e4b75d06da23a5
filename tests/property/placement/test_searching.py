"""A search that stops early finds what a look at every host would."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.placement.domain.deciding import Choice, decide
from services.placement.domain.policy import Policy
from services.placement.domain.ranking import Ranking
from services.placement.domain.world import HostFacts, Load, World
from shared.events.placement import NicRequest, VmCreateRequested, Where
from tests.unit.placement.worlds import DOWN, NOW, SWITCH, UP, host, request, subnet, vcenter, wire, world


def many_hosts(dice: Random) -> list[HostFacts]:
    """Few sizes and loads, so that many hosts tie; some of them would not do."""
    return [
        host(
            number,
            memory_mb=dice.choice([65536, 65536, 65536, 131072]),
            cpu_cores=dice.choice([16, 16, 32]),
            maintenance=dice.random() < 0.1,
            labels=dice.choice([{}, {"disk": "nvme"}]),
            distributed_links={SWITCH: DOWN if dice.random() < 0.1 else UP},
        )
        for number in range(1, dice.randint(1, 80))
    ]


def many(seed: int) -> World:
    dice = Random(seed)  # noqa: S311  hypothesis draws the seed
    hosts = many_hosts(dice)
    numbers = list(range(1, len(hosts) + 1))
    wires = [
        wire(
            number, dice.sample(numbers, dice.randint(0, len(numbers))), ports=dice.choice([None, None, 0, 2])
        )
        for number in range(1, 5)
    ]
    subnets = [subnet(number, {item.id: "default"}) for number, item in enumerate(wires, 1)]
    coarse = dice.choice([1, 8, 30])
    loads = {
        item.key: Load(dice.randrange(0, 32, coarse), dice.randrange(0, 70000, 1000 * coarse))
        for item in hosts
    }
    free = {net.id: dice.choice([100, 100, 0, 1]) for net in subnets}
    return world(hosts, wires, subnets, loads=loads, vcenters=[vcenter()], free=free)


def asked(seed: int) -> VmCreateRequested:
    dice = Random(seed)  # noqa: S311  as above
    nics = [
        dice.choice([NicRequest(), NicRequest(), NicRequest(subnet="net-1")])
        for _ in range(dice.choice([1, 1, 2]))
    ]
    where = dice.choice([Where(), Where(), Where(required_labels={"disk": "nvme"})])
    return request(*nics, memory_mb=dice.choice([512, 4096, 60000]), cpus=dice.choice([1, 8]), where=where)


seeds = st.integers(0, 2**64)
policies = st.builds(
    Policy,
    cpu_overcommit=st.sampled_from([1.0, 4.0]),
    cpu_weight=st.sampled_from([0.0, 1.0, 3.0]),
    memory_weight=st.sampled_from([0.0, 1.0]),
    alternatives=st.integers(0, 6),
)


@settings(max_examples=300, deadline=None)
@given(seeds, seeds, policies, st.integers(1, 8))
def test_stopping_early_changes_no_answer(seed: int, asking: int, policy: Policy, times: int) -> None:
    """Host, wires and alternates, also as one placement after the other is counted."""
    known = many(seed)
    for number in range(times):
        wanted = asked(asking + number)
        early = decide(wanted, known, policy, NOW)
        exhaustive = decide(wanted, known, policy, NOW, everything=True)
        assert type(early) is type(exhaustive)
        if not isinstance(early, Choice) or not isinstance(exhaustive, Choice):
            assert early == exhaustive
            continue
        assert (early.host, early.options) == (exhaustive.host, exhaustive.options)
        assert early.alternates == exhaustive.alternates
        known.add_load(early.host.key, wanted.cpus, wanted.memory_mb)
        for option in early.options:
            known.add_nic(option.wire.id, [net.id for net in option.subnets])


@settings(max_examples=100, deadline=None)
@given(seeds, seeds)
def test_every_host_is_accounted_for(seed: int, asking: int) -> None:
    """G6: named, or counted by the rule that it met or by the score that it cannot exceed."""
    known, policy = many(seed), Policy(named=3)
    verdict = decide(asked(asking), known, policy, NOW)
    if not isinstance(verdict, Choice):
        return
    about = [finding for finding in verdict.findings if finding.kind == "host"]
    named = {finding.id for finding in about if finding.id != "-"}
    counted = sum(int(finding.because.split()[0]) for finding in about if finding.id == "-")
    assert len(named) + counted == len(known.listed)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.integers(0, 99999)), max_size=40), policies
)
def test_a_ranking_kept_up_to_date_is_a_new_one(moves: list[tuple[int, int, int]], policy: Policy) -> None:
    sizes = [(65536, 16), (131072, 16)] * 5
    loads = [(0, 0)] * len(sizes)
    kept = Ranking(sizes, loads, policy)
    for number, cpus, memory in moves:
        loads[number] = (cpus, memory)
        kept.move(number, (cpus, memory))
    assert list(kept.shelves(1, 1024)) == list(Ranking(sizes, loads, policy).shelves(1, 1024))

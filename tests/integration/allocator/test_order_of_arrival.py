"""G3: the state is a function of the facts, not of the order or the number of their arrivals."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.allocator.decisions import APPLIERS, decide_again
from shared.events.address_sharing import AddressShared, AddressUnshared
from shared.events.envelope import Envelope, wrap
from shared.events.inventory import HostChanged, SnapshotCompleted
from shared.events.placement import BoundPort, PlacedAddress, VmCreateConfirmed
from shared.events.vcenter import VcenterHeartbeat, VcenterLost
from shared.events.vm_nics import FixedAddress, FixedPort, VmNicsFixed, VmNicsUnfixed
from shared.ipam.domain import Holder
from shared.ipam.ledger import allocate
from shared.model.identifiers import derive, nic_id, port_id, scope_id, subnet_id
from shared.store.pool import Pool, open_pool, transaction
from tests.integration.allocator.story import START, VC1, VC2, Stage, Teller, instance, wire

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SEARCHED = os.environ.get("PATCHBAY_TEST_EXAMPLES")
"""Unset: the same 40 scripts in every run. A number: that many new ones."""
VMS = ("a", "b", "c", "new")
WIRES = ("pg-1", "pg-2", "pg-3")
RESERVED = "10.0.0.50"
RESERVATION = instance("the reservation")
SUBNET = subnet_id(scope_id("default"), "prod", "10.0.0.0/24")
ADDRESSES = (RESERVED, "10.0.0.5", "10.0.0.6", "10.0.1.5", "172.16.0.9", "fe80::1", "2001:db8::5")

FIXABLE = ("10.0.0.5", "10.0.0.6", "2001:db8::5")
"""What operators state and declare shared."""

Step = tuple[Any, ...]
steps = st.one_of(
    st.tuples(
        st.just("vm"),
        st.integers(0, 1),
        st.sampled_from(VMS),
        st.lists(st.sampled_from((*WIRES, None)), max_size=2).map(tuple),
    ),
    st.tuples(
        st.just("guest"),
        st.integers(0, 1),
        st.sampled_from(VMS),
        st.lists(st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True), max_size=2).map(
            lambda ports: tuple(map(tuple, ports))
        ),
    ),
    st.tuples(st.just("unplaced"), st.integers(0, 1), st.sampled_from(VMS), st.sampled_from(ADDRESSES[1:5])),
    st.tuples(st.just("gone"), st.integers(0, 1), st.sampled_from(VMS)),
    st.tuples(st.just("group"), st.integers(0, 1), st.sampled_from(WIRES), st.booleans()),
    st.tuples(st.just("group_gone"), st.integers(0, 1), st.sampled_from(WIRES)),
    st.tuples(st.sampled_from(["epoch", "beat", "lost", "done", "host"]), st.integers(0, 1)),
    st.tuples(
        st.just("created"),
        st.just(0),
        st.just("new"),
        st.lists(st.sampled_from(WIRES), min_size=1, max_size=2).map(tuple),
    ),
    st.tuples(
        st.just("fix"),
        st.integers(0, 1),
        st.sampled_from(VMS),
        st.integers(0, 1),
        st.lists(st.sampled_from(FIXABLE), max_size=2, unique=True).map(tuple),
    ),
    st.tuples(st.just("share"), st.integers(0, 1), st.sampled_from(FIXABLE), st.booleans()),
)

BEGINNING: list[Step] = [
    ("vm", 0, "a", ("pg-1", "pg-2")),
    ("guest", 0, "a", (("10.0.0.5",), ("10.0.1.5",))),
    ("vm", 0, "b", ("pg-2",)),
]
"""What every script begins with, so that most have something to contest."""


def facts_of(script: Sequence[Step]) -> list[Envelope[Any]]:
    """The facts that `script` makes two vCenters say; in their order in each."""
    tellers = [Teller(VC1, epoch=2), Teller(VC2, epoch=2)]
    facts = []
    for what, asked, *rest in script:
        who = 0 if rest and rest[0] == "new" else asked  # what placement made is in one vCenter only
        say = tellers[who]
        if what == "vm":
            facts.append(say.vm(rest[0], *rest[1]))
        elif what == "guest":
            facts.append(say.guest(rest[0], *rest[1], gateway="10.0.0.1"))
        elif what == "unplaced":
            facts.append(say.guest(rest[0], tools="running", unplaced=rest[1]))
        elif what == "gone":
            facts.append(say.gone(rest[0]))
        elif what == "group":
            facts.append(say.portgroup(rest[0], f"{rest[0]}{'-new' if rest[1] else ''}"))
        elif what == "group_gone":
            facts.append(say.portgroup_gone(rest[0]))
        elif what == "created":
            facts.append(say.vm(rest[0], *rest[1]))
            facts.append(confirmation(say, rest[0], 3999 + len(rest[1])))
        elif what == "fix":
            facts.append(decision(say, rest[0], 4000 + rest[1], rest[2]))
        elif what == "share":
            facts.append(sharing(say, rest[0], shared=rest[1]))
        elif what != "epoch":
            facts.append(aside(say, what))
        else:
            tellers[who] = Teller(say.vcenter, say.epoch + 1)
    return facts


def aside(say: Teller, what: str) -> Envelope[Any]:
    """Facts that bear on no address."""
    if what == "beat":
        return say.envelope(VcenterHeartbeat, name="lab", current_to=say.now(), lag_seconds=0.1)
    if what == "lost":
        return say.envelope(VcenterLost, name="lab", cause="unreachable", detail="no route")
    if what == "done":
        return say.envelope(SnapshotCompleted, counts={}, swept={})
    return say.envelope(
        HostChanged, moid="host-1", name=f"esx{say.sequence}", connection="connected", maintenance=False
    )


def decision(say: Teller, vm: str, device_key: int, addresses: Sequence[str]) -> Envelope[Any]:
    """An operator fixes `addresses`, or unfixes the port, at the time of the last fact."""
    say.sequence += 1
    scope = scope_id("default")
    fixed = tuple(
        FixedAddress(
            address=a, prefix=64 if ":" in a else 24, scope="default",
            subnet_name="six" if ":" in a else "prod",
            subnet=subnet_id(scope, "six", "2001:db8::/64") if ":" in a else SUBNET,
        )
        for a in addresses
    )  # fmt: skip
    port = FixedPort(
        port=port_id(instance(vm), device_key), nic=nic_id(instance(vm), device_key), device_key=device_key,
        label=f"Network adapter {device_key - 3999}", addresses=fixed,
    )  # fmt: skip
    kind = VmNicsFixed if fixed else VmNicsUnfixed
    decided = kind(
        id=derive("fix", say.vcenter, say.epoch, say.sequence), vcenter=say.vcenter, vm=instance(vm),
        vm_moid=f"vm-{vm}", vm_name=vm, by="joe", at=say.now(), ports=(port,),
    )  # fmt: skip
    return wrap(decided, source="allocator", time=say.now())


def sharing(say: Teller, address: str, *, shared: bool) -> Envelope[Any]:
    """An operator declares `address` shared, or not any more."""
    say.sequence += 1
    kind = AddressShared if shared else AddressUnshared
    identity = derive("sharing", say.vcenter, say.epoch, say.sequence)
    decided = kind(id=identity, scope="default", address=address, by="joe", at=say.now())
    return wrap(decided, source="allocator", time=say.now())


def confirmation(say: Teller, vm: str, device_key: int) -> Envelope[Any]:
    """Placement confirms the one reservation for the VM of the last fact; its time is that fact's."""
    at = say.now()
    placed = PlacedAddress(address=RESERVED, prefix=24, subnet=SUBNET, subnet_name="prod")
    bound = BoundPort(index=0, device_key=device_key, wire=wire("pg-1"), addresses=(placed,))
    confirmed = VmCreateConfirmed(
        request_id="r",
        reservation=RESERVATION,
        vcenter=say.vcenter,
        vm=instance(vm),
        vm_moid=f"vm-{vm}",
        vm_name=vm,
        recognised_by="name",
        ports=(bound,),
        confirmed_at=at,
    )
    return wrap(confirmed, source="placement", time=at)


async def prepare(pool: Pool, waits: tuple[int, int]) -> Stage:
    """An empty inventory with two subnets, on port groups that the scripts don't touch but for one."""
    await pool.execute(
        """
        DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT schemaname || '.' || tablename FROM pg_tables
                     WHERE schemaname = 'inventory' OR tablename IN ('address', 'subnet_wire')
                     OR (schemaname = 'bus' AND tablename = 'outbox')
            LOOP EXECUTE 'DELETE FROM ' || t; END LOOP;
        END $$
        """
    )
    await pool.execute("DELETE FROM ipam.subnet")
    grace, change = waits
    stage, say = Stage(pool, release_grace_seconds=grace, change_settle_seconds=change), Teller(VC1)
    await stage.tell(say.portgroup("pg-1"), say.portgroup("pg-0"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1", gateway="10.0.0.1")
    await stage.subnet("dev", "10.0.1.0/24", "pg-0")
    await stage.subnet("six", "2001:db8::/64", "pg-1")
    async with transaction(pool) as conn:
        holder = Holder("reservation", RESERVATION)
        until = START + timedelta(days=1)
        await allocate(conn, SUBNET, 1, holder, START, now=START, wanted=RESERVED, until=until)
    return stage


async def outcome(
    pool: Pool, facts: Sequence[Envelope[Any]], batch: int, waits: tuple[int, int]
) -> dict[str, list[str]]:
    """The whole state that `facts` and decisions lead to, applied in this order in batches."""
    stage = await prepare(pool, waits)
    for start in range(0, len(facts), batch):
        told = facts[start : start + batch]
        if heard := [e for e in told if type(e.data) not in APPLIERS]:
            await stage.tell(*heard)
        for decided in (e for e in told if type(e.data) in APPLIERS):
            await decide_again(pool, decided, stage.allocator.policy)
    return await stage.dump()


async def check(database: str, script: Sequence[Step], data: Any) -> None:
    """Any order, repetition and batching of the facts and decisions gives the same state."""
    waits = data.draw(st.sampled_from([(0, 0), (0, 0), (3, 0), (5, 0), (5000, 2), (0, 2), (2, 5000)]))
    facts = facts_of(script)
    pool = await open_pool(database, name="test", size=2)
    try:
        told = await outcome(pool, facts, 1, waits)
        shuffled = data.draw(st.permutations(facts)) if facts else []
        repeated = data.draw(st.lists(st.sampled_from(facts), max_size=4)) if facts else []
        heard = await outcome(pool, [*shuffled, *repeated], data.draw(st.integers(1, 6)), waits)
        for table in told:
            differ = set(heard[table]) ^ set(told[table])
            assert not differ, (table, sorted(differ), [f.id for f in shuffled])
    finally:
        await pool.close()


@settings(
    max_examples=int(SEARCHED or 40),
    derandomize=SEARCHED is None,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking against a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(steps, max_size=14).map(lambda rest: [*BEGINNING, *rest]), data=st.data())
def test_g3_any_order_and_repetition_of_facts_and_decisions_gives_the_same_state(
    database: str, script: list[Step], data: Any
) -> None:
    asyncio.run(check(database, script, data))

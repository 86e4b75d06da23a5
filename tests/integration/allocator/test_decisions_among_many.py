"""G1, G3: several allocators at once, facts and decisions mixed: they come to the state of one alone."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from services.allocator.decisions import APPLIERS, decide_again
from shared.bus.port import Delivery
from shared.events import commands as cmd
from shared.events import wire_commands as on_wires
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.address_sharing import AddressShare, AddressUnshare
from shared.events.codec import decode
from shared.events.envelope import Envelope, wrap
from shared.events.subnet import AddressRange
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.events.vm_nics import VmUnfixNics
from shared.ipam.domain import Holder
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import allocate
from shared.model.identifiers import derive
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of
from shared.store.pool import Pool, open_pool, transaction
from tests.integration.allocator.story import START, VC1, Stage, Teller

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 4
SEEDS = [int(seed) for seed in os.environ.get("PATCHBAY_TEST_DAYS", "1,2,3,4").split(",")]
VMS = [f"vm{number}" for number in range(10)]
WIRES = ("web", "app", "lab")
SUBNETS = ("low", "high", "high-2", "low-2", "other", "six")


@dataclass(frozen=True)
class Plan:
    """What is to happen: facts in batches, and commands; each when somebody gets to it."""

    facts: list[Envelope[Any]]
    jobs: list[list[Envelope[Any]]]


class Accepted(NamedTuple):
    """What came of a schedule: how many commands were accepted, and the decisions in that order."""

    commands: int
    decisions: list[Envelope[Any]]


def plan(dice: random.Random) -> Plan:
    """VMs that come, move, change addresses, lose devices and go; a wire that is made anew; decisions."""
    say = Teller(epoch=2)
    facts = [say.portgroup(f"pg-{name}", name) for name in WIRES]
    facts += [say.vm(vm, f"pg-{dice.choice(WIRES)}", f"pg-{dice.choice(WIRES)}") for vm in VMS]
    for _ in range(60):
        vm = dice.choice(VMS)
        match dice.randrange(8):
            case 0:
                facts.append(say.gone(vm))
            case 1 | 2:
                facts.append(say.vm(vm, *(f"pg-{dice.choice(WIRES)}" for _ in range(dice.randrange(3)))))
            case _:
                facts.append(
                    say.guest(vm, [_address(dice)], [_address(dice), f"2001:db8::{dice.randint(5, 9)}"])
                )
    facts += [say.portgroup_gone("pg-lab"), say.portgroup("pg-new", "lab")]
    facts += [say.guest(vm, [_address(dice)], []) for vm in VMS[:4]]
    batches, rest = [], facts * 2
    dice.shuffle(rest)
    while rest:
        size = dice.randint(1, 6)
        batches.append(rest[:size])
        rest = rest[size:]
    commands = [_command(dice) for _ in range(60)]
    asked = [
        [wrap(command, source="test", time=START + timedelta(hours=10, seconds=number))]
        for number, command in enumerate([*_founding(), *commands])
    ]
    founding, later = asked[: len(_founding())], [*batches, *asked[len(_founding()) :]]
    dice.shuffle(later)
    return Plan(facts, [facts[:3], *founding, *later])


def _address(dice: random.Random) -> str:
    return f"10.0.{dice.choice((0, 0, 1))}.{dice.choice((5, 6, 7, 8, 130, 131))}"


def _founding() -> list[cmd.Command]:
    return [
        cmd.SubnetCreate(name="low", prefix="10.0.0.0/24", wire="web"),
        cmd.SubnetCreate(name="other", prefix="10.0.1.0/24", wire="app"),
        cmd.SubnetCreate(name="six", prefix="2001:db8::/64", wire="web"),
    ]


def _command(dice: random.Random) -> cmd.Command:
    """Something that an operator might ask for, right or wrong."""
    subnet, wire, address, vm = dice.choice(SUBNETS), dice.choice(WIRES), _address(dice), dice.choice(VMS)
    makers = (
        *(_about_subnets(dice, subnet, f"pg-{wire}"),) * 2,
        *(_about_addresses(dice, vm, address),) * 2,
        (
            on_wires.WireRebind(old="pg-lab", new="pg-new", by="joe"),
            on_wires.WireSetMapping(vcenter=VC1, mapping=dice.choice(("switch", "portgroup")), by="joe"),
        ),
    )
    return dice.choice(dice.choice(makers))


def _about_subnets(dice: random.Random, subnet: str, wire: str) -> Sequence[cmd.Command]:
    policy: Any = dice.choice(("pin", "deny", "auto"))
    return (
        cmd.SubnetCreate(name="other", prefix="10.0.1.0/24", wire=wire, by="joe"),
        cmd.SubnetDelete(subnet=subnet, by="joe"),
        cmd.SubnetUpdate(subnet=subnet, mtu=dice.choice((1500, 9000)), by="joe"),
        cmd.SubnetUpdate(subnet="low", gateway="10.0.0.1", vlan=7, by="joe"),
        SubnetSplit(subnet=dice.choice(("low", "other")), prefix_length=25, by="joe"),
        SubnetMerge(subnet="low", others=("low-2",), by="joe"),
        SubnetMove(subnet=subnet, wire=wire, keep_old=dice.random() < 0.5, by="joe"),
        cmd.SubnetSetWire(subnet=subnet, wire=wire, policy=policy, by="joe"),
        cmd.SubnetSetWire(subnet="low", wire=wire, policy=policy, by="joe"),
    )


def _about_addresses(dice: random.Random, vm: str, address: str) -> Sequence[cmd.Command]:
    spot = (AddressRange(first=address, last=address),)
    mac = Teller().vm(vm, "pg-web").data.ports[0].mac
    fix = cmd.PortFix(port=str(dice.choice((4000, 4001))), address=address)
    return (
        cmd.VmFixNics(vm=vm, fixes=(fix,), by="joe"),
        cmd.VmFixNics(vm=vm, fixes=(fix,), by="joe"),
        VmUnfixNics(vm=vm, by="joe"),
        AddressReserve(ranges=spot, note="kept", by="joe"),
        AddressRelease(ranges=spot, by="joe"),
        AddressBind(address=address, mac=mac, by="joe"),
        AddressUnbind(address=address, by="joe"),
        AddressShare(address=address, by="joe"),
        AddressUnshare(address=address, by="joe"),
    )


async def work(stage: Stage, jobs: list[list[Envelope[Any]]]) -> None:
    """What an allocator does: take what is next, and do it."""
    while jobs:
        job = jobs.pop(0)
        if isinstance(job[0].data, cmd.Command):
            delivery = Delivery(message=message_of(job[0]), queue="q", attempt=1, tag=1)
            await stage.allocator.command(Received(job[0], delivery))
        else:
            await stage.tell(*job)


async def run_many(pool: Pool, database: str, plan: Plan, **settings: Any) -> Accepted:
    """Carry `plan` out with many allocators at once, each with connections of its own."""
    pools = [await open_pool(database, name="many", size=2) for _ in range(MANY)]
    try:
        jobs = list(plan.jobs)
        first = 1 + len(_founding())
        await work(Stage(pool, **settings), jobs_begun := jobs[:first])
        assert not jobs_begun
        shared = jobs[first:]
        async with asyncio.TaskGroup() as tasks:
            for each in pools:
                tasks.create_task(work(Stage(each, **settings), shared))
    finally:
        for each in pools:
            await each.close()
    rows = await pool.fetch("SELECT body FROM bus.outbox WHERE NOT to_queue ORDER BY id")
    told = [decode(row["body"]) for row in rows]
    count = await pool.fetchval("SELECT count(*) FROM audit.command WHERE outcome = 'accepted'")
    return Accepted(count, [envelope for envelope in told if type(envelope.data) in APPLIERS])


async def run_alone(
    pool: Pool, facts: Sequence[Envelope[Any]], accepted: Accepted, dice: random.Random, **settings: Any
) -> dict[str, list[str]]:
    """The state when one allocator applies facts as they were told, and decisions as they were accepted."""
    state = await Stage(pool).dump()
    async with transaction(pool) as conn:
        tables = [table for table in state if table != "ipam.scope"]
        await conn.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    alone, told, decisions = Stage(pool, **settings), list(facts), list(accepted.decisions)
    while told or decisions:
        if told and dice.random() < len(told) / (len(told) + len(decisions)):
            await alone.tell(told.pop(0))
        else:
            await decide_again(pool, decisions.pop(0), alone.allocator.policy)
    return await alone.dump()


@pytest.mark.parametrize("grace", [0, 20])
@pytest.mark.parametrize("seed", SEEDS)
async def test_g1_g3_many_allocators_with_decisions_come_to_the_state_of_one(
    pool: Pool, database: str, seed: int, grace: int
) -> None:
    dice = random.Random(seed)  # noqa: S311  a reproducible schedule, no secret
    settings = {"release_grace_seconds": grace}
    schedule = plan(dice)
    accepted = await run_many(pool, database, schedule, **settings)
    assert accepted.commands > 15, "most commands are refused: the schedule shows nothing"
    among_many = await Stage(pool).dump()
    twice = await pool.fetch(
        "SELECT scope_id, address FROM inventory.nic_address GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert not twice, "G1"
    alone = await run_alone(pool, schedule.facts, accepted, dice, **settings)
    for table, rows in alone.items():
        differ = set(rows) ^ set(among_many[table])
        assert not differ, f"{table}: " + "\n".join(sorted(differ))


async def test_g1_allocators_and_placement_at_once_give_no_address_twice(pool: Pool, database: str) -> None:
    """Placement takes no lock but the ledger's; what it took it keeps, and no record has it."""
    dice = random.Random(99)  # noqa: S311
    schedule = plan(dice)
    taken: list[tuple[str, Holder]] = []
    over = asyncio.Event()

    async def take() -> None:
        while not over.is_set() and len(taken) < 30:
            holder = Holder("reservation", derive("test", len(taken)))
            async with transaction(pool) as conn:
                subnets = await conn.fetch(
                    "SELECT id FROM ipam.subnet WHERE family(prefix) = 4 ORDER BY name"
                )
                if subnets:
                    until = START + timedelta(days=1)
                    chosen = dice.choice(subnets)["id"]
                    with suppress(LedgerRefusal):  # deleted, or reshaped, in the meantime
                        got = await allocate(conn, chosen, 1, holder, START, now=START, until=until)
                        taken.extend((address, holder) for address in got)
            await asyncio.sleep(0)

    placing = asyncio.create_task(take())
    try:
        await run_many(pool, database, schedule)
    finally:
        over.set()
        await placing
    assert taken
    recorded = {r[0] for r in await pool.fetch("SELECT host(address) FROM inventory.nic_address")}
    ledger = {
        row["a"]: Holder(row["holder_kind"], row["holder_id"])
        for row in await pool.fetch("SELECT host(address) AS a, holder_kind, holder_id FROM ipam.address")
    }
    assert len({address for address, _ in taken}) == len(taken)
    for address, holder in taken:
        assert ledger[address] == holder
        assert address not in recorded

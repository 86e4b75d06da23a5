"""G1, G3: what guests say is taken in by several allocators at once, and decided on one after the other."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.allocator.handlers import Allocator
from services.allocator.locking import DECISIONS, LOCK, lock_decisions, lock_guests
from shared.events.envelope import Envelope
from shared.events.vcenter import VcenterHeartbeat
from shared.store.pool import Pool, open_pool
from tests.integration.allocator.story import Stage, Teller

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MANY = 4
VMS = [f"vm{number}" for number in range(12)]
SEEDS = range(6)


class Counted(Allocator):
    """An allocator that counts which batches it took in beside others, and which in turn."""

    taken: Counter[str]

    async def _beside_others(self, envelopes: Sequence[Envelope[Any]]) -> None:
        await super()._beside_others(envelopes)
        self.taken["beside"] += 1

    async def _in_turn(self, envelopes: Sequence[Envelope[Any]]) -> None:
        await super()._in_turn(envelopes)
        self.taken["in turn"] += 1


def counted(stage: Stage) -> Counter[str]:
    """From now on counts what `stage` does."""
    stage.allocator.__class__ = Counted
    taken = Counter[str]()
    stage.allocator.__dict__["taken"] = taken
    return taken


@asynccontextmanager
async def another(database: str, **settings: Any) -> AsyncIterator[Stage]:
    """An allocator with a pool of its own, as in another process."""
    pool = await open_pool(database, name="another")
    try:
        yield Stage(pool, **settings)
    finally:
        await pool.close()


async def staged(pool: Pool, **settings: Any) -> tuple[Stage, Teller]:
    """Wires pg-1 and pg-2 with subnets, and VMs on them that have said nothing yet."""
    stage, say = Stage(pool, **settings), Teller()
    await stage.tell(say.portgroup("pg-1"), say.portgroup("pg-2"), say.portgroup("pg-3"))
    await stage.subnet("one", "10.0.0.0/24", "pg-1", gateway="10.0.0.1")
    await stage.subnet("two", "10.0.1.0/24", "pg-2", gateway="10.0.1.1")
    await stage.tell(*(say.vm(vm, f"pg-{1 + number % 3}") for number, vm in enumerate(VMS)))
    return stage, say


def words(dice: random.Random, say: Teller, count: int) -> list[Envelope[Any]]:
    """Guests that contest addresses, fall silent, repeat themselves, bear witness to other wires."""
    told: list[Envelope[Any]] = []
    for _ in range(count):
        vm, kind = dice.choice(VMS), dice.randrange(8)
        address = f"10.0.{dice.choice((0, 1))}.{dice.randint(5, 10)}"
        if kind == 0:
            told.append(say.guest(vm))
        elif kind == 1 and told:
            told.append(dice.choice(told))
        elif kind == 2:
            told.append(say.guest(vm, [address, f"2001:db8::{dice.randint(5, 7)}"], gateway="10.0.1.1"))
        else:
            told.append(say.guest(vm, address, gateway="10.0.1.1" if ".1." in address else "10.0.0.1"))
    return told


def batches(dice: random.Random, facts: Sequence[Envelope[Any]], most: int) -> list[list[Envelope[Any]]]:
    """`facts` in some order, each told once or twice."""
    rest, parts = [*facts, *dice.sample(facts, len(facts) // 3)], []
    dice.shuffle(rest)
    while rest:
        size = dice.randint(1, most)
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


@pytest.mark.parametrize("settle", [0, 20])
@pytest.mark.parametrize("seed", SEEDS)
async def test_g1_g3_words_taken_in_at_once_come_to_the_state_of_one_after_the_other(
    pool: Pool, database: str, seed: int, settle: int
) -> None:
    dice = random.Random(seed)  # noqa: S311  a reproducible schedule, no secret
    settings = {"change_settle_seconds": settle}
    stage, say = await staged(pool, **settings)
    facts = words(dice, say, 150)
    beats = [
        say.envelope(VcenterHeartbeat, name="lab", current_to=say.now(), lag_seconds=0.1) for _ in range(5)
    ]
    before = await stage.dump()
    parts = iter(batches(dice, [*facts, *beats], 5))
    taken: list[Counter[str]] = []
    async with asyncio.TaskGroup() as tasks:
        for _ in range(MANY):
            tasks.create_task(_work(database, parts, taken, settings))
    total = sum(taken, Counter[str]())
    assert total["beside"] > total["in turn"], "hardly anything is taken in at once: nothing is shown"
    among_many = await stage.dump()
    twice = await pool.fetch(
        "SELECT scope_id, address FROM inventory.nic_address GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert not twice, "G1"
    await pool.execute(f"TRUNCATE {', '.join(before.keys() - {'ipam.scope'})} CASCADE")
    alone, again = await staged(pool, **settings)
    assert (again.sequence, await alone.dump()) == (len(VMS) + 3, before)
    await alone.each([*facts, *beats])
    for table, rows in (await alone.dump()).items():
        assert rows == among_many[table], table


async def _work(database: str, parts: Any, taken: list[Counter[str]], settings: dict[str, int]) -> None:
    async with another(database, **settings) as stage:
        taken.append(counted(stage))
        for part in parts:
            await stage.tell(*part)


async def until_waiting(pool: Pool, lock: int, count: int = 1) -> None:
    """Until so many sessions wait for an advisory lock."""
    for _ in range(400):
        waiting = await pool.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND (classid::bigint << 32 | objid::bigint) = $1",
            lock,
        )
        if waiting == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def until_waiting_for_a_row(pool: Pool) -> None:
    """Until a session waits for another one's transaction to end, as it has the row."""
    for _ in range(400):
        if await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
        ):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def until_waiting_for_a_table(pool: Pool, table: str) -> None:
    """Until a session waits to write the table."""
    for _ in range(400):
        if await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)", table
        ):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def test_words_are_taken_in_while_another_allocator_decides(pool: Pool) -> None:
    stage, say = await staged(pool)
    taken = counted(stage)
    async with asyncio.TaskGroup() as tasks, pool.acquire() as other, other.transaction():
        await lock_guests(other)
        await lock_decisions(other, shared=False)
        for vm, address in (("vm0", "10.0.0.5"), ("vm3", "10.0.0.6")):
            tasks.create_task(stage.tell(say.guest(vm, address)))
        # Each has written what it heard, and waits with the decision only.
        await until_waiting(pool, DECISIONS, 2)
        assert await stage.nics() == {}
    assert taken == {"beside": 2}
    assert await stage.nics() == {"vm0/4000": ["10.0.0.5"], "vm3/4000": ["10.0.0.6"]}


async def test_commands_and_hardware_wait_until_what_guests_said_is_decided_on(pool: Pool) -> None:
    stage, say = await staged(pool)
    async with asyncio.TaskGroup() as tasks, pool.acquire() as other, other.transaction():
        await lock_guests(other)
        tasks.create_task(stage.tell(say.vm("vm0", "pg-2")))
        tasks.create_task(stage.subnet("three", "10.0.2.0/24", "pg-3"))
        await until_waiting(pool, LOCK, 2)
        assert await pool.fetchval("SELECT count(*) FROM ipam.subnet") == 2
    assert await pool.fetchval("SELECT count(*) FROM ipam.subnet") == 3


async def test_a_vm_in_an_open_conflict_is_heard_beside_others(pool: Pool) -> None:
    """Most fleets have some: what is heard of their VMs must not be taken in twice."""
    stage, say = await staged(pool)
    await stage.tell(say.guest("vm0", "10.0.0.5"), say.guest("vm3", "10.0.0.5"))
    taken = counted(stage)
    await stage.tell(say.guest("vm0", "10.0.0.5"), say.guest("vm6", "10.0.0.6"))
    await stage.tell(say.guest("vm3", "10.0.0.5"))
    assert taken == {"beside": 2}
    await stage.tell(say.guest("vm0"))
    assert taken == {"beside": 3}
    assert await stage.nics() == {"vm3/4000": ["10.0.0.5"], "vm6/4000": ["10.0.0.6"]}


async def test_two_allocators_that_hear_one_guest_at_once_take_it_in_one_after_the_other(
    pool: Pool, database: str
) -> None:
    stage, say = await staged(pool)
    older, newer = say.guest("vm0", "10.0.0.5"), say.guest("vm0", "10.0.0.6")
    async with (
        another(database) as second,
        asyncio.TaskGroup() as tasks,
        pool.acquire() as other,
        other.transaction(),
    ):
        await lock_guests(other)
        await lock_decisions(other, shared=False)
        tasks.create_task(stage.tell(newer))
        await until_waiting(pool, DECISIONS)
        tasks.create_task(second.tell(older, say.guest("vm3", "10.0.0.7")))
        await until_waiting_for_a_row(pool)
    assert await stage.nics() == {"vm0/4000": ["10.0.0.6"], "vm3/4000": ["10.0.0.7"]}
    rows = await pool.fetch("SELECT DISTINCT host(address) FROM inventory.tenure ORDER BY 1")
    assert [row[0] for row in rows] == ["10.0.0.5", "10.0.0.6", "10.0.0.7"]


@pytest.mark.parametrize("silent_last", [False, True])
async def test_g3_who_falls_silent_while_a_conflict_about_it_opens_loses_as_it_would_before_or_after(
    pool: Pool, database: str, *, silent_last: bool
) -> None:
    """Silence by itself changes nothing that has to be decided; a conflict that nobody sees yet would."""
    stage, say = await staged(pool)
    await stage.tell(say.guest("vm0", "10.0.0.5"))
    claim, silence = say.guest("vm3", "10.0.0.5"), say.guest("vm0")
    first, then = (claim, silence) if silent_last else (silence, claim)
    async with another(database) as second, asyncio.TaskGroup() as tasks:
        async with pool.acquire() as other, other.transaction():
            # Nobody can tell anything: whoever has decided is not done.
            await other.execute("LOCK TABLE bus.outbox IN SHARE MODE")
            tasks.create_task(second.tell(first))
            if silent_last:
                await until_waiting_for_a_table(pool, "bus.outbox")
                tasks.create_task(stage.tell(then))
                await until_waiting(pool, DECISIONS)
        if not silent_last:
            await stage.tell(then)
    assert await stage.nics() == {"vm3/4000": ["10.0.0.5"]}
    assert await stage.unmatched() == {"10.0.0.5": "conflict"}, "vm0 still says nothing else"

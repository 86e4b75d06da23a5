"""G2, G3, G8: allocators that share a queue, die half-way, get a broken message; histories cut short."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from services.allocator import settling
from services.allocator.app import run
from services.allocator.pruning import prune
from services.allocator.settings import Settings
from shared.bus.connecting import connect_bus
from shared.bus.port import Message
from shared.events.envelope import Envelope
from shared.events.topology import TOPOLOGY
from shared.runtime.environment import Platform
from shared.runtime.health import Health
from shared.runtime.publishing import message_of
from shared.store.pool import Pool
from tests.integration.allocator.story import START, Stage, Teller

pytestmark = pytest.mark.postgres


def busy_day(say: Teller) -> list[Envelope[Any]]:
    """Thirty VMs on two wires, some with the same addresses, some moving, some going."""
    dice = random.Random(7)  # noqa: S311  a reproducible story, no secret
    facts: list[Envelope[Any]] = [say.portgroup("pg-1"), say.portgroup("pg-2")]
    for number in range(30):
        name = f"vm{number}"
        facts.append(say.vm(name, dice.choice(["pg-1", "pg-2"])))
        facts += [
            say.guest(name, [f"10.0.0.{dice.randint(2, 25)}", f"10.0.1.{number + 2}"])
            for _ in range(dice.randint(1, 3))
        ]
        if dice.random() < 0.3:
            facts.append(say.vm(name, "pg-2"))
        if dice.random() < 0.2:
            facts.append(say.gone(name))
    return facts


async def staged(pool: Pool) -> Stage:
    """Subnets on pg-1 and pg-2."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"), say.portgroup("pg-2"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.subnet("dev", "10.0.1.0/24", "pg-2")
    return stage


async def wipe(pool: Pool) -> None:
    """Forget everything."""
    await pool.execute(
        """
        DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT schemaname || '.' || tablename FROM pg_tables
                     WHERE schemaname = 'inventory' OR tablename IN ('address', 'subnet_wire', 'outbox')
            LOOP EXECUTE 'DELETE FROM ' || t; END LOOP;
        END $$
        """
    )
    await pool.execute("DELETE FROM ipam.subnet")


async def test_g3_several_allocators_on_one_queue_come_to_the_same_state(pool: Pool) -> None:
    alone = await staged(pool)
    facts = busy_day(Teller(epoch=2))
    await alone.each(facts)
    expected = await alone.dump()
    await wipe(pool)
    await staged(pool)
    batches = [facts[i : i + 7] for i in range(0, len(facts), 7)]
    random.Random(3).shuffle(batches)  # noqa: S311
    many = [Stage(pool) for _ in range(4)]
    shares = [batches[i::4] for i in range(4)]

    async def work(stage: Stage, share: list[list[Envelope[Any]]]) -> None:
        for batch in share:
            await stage.tell(*batch)

    await asyncio.gather(*(work(s, share) for s, share in zip(many, shares, strict=True)))
    found = await many[0].dump()
    for table, rows in expected.items():
        assert found[table] == rows, table


async def test_g2_a_batch_that_dies_half_way_leaves_nothing_and_works_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await staged(pool)
    await stage.told()
    facts = busy_day(Teller(epoch=2))
    before = await stage.dump()

    async def dies(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(settling, "write_conflicts", dies)
        with pytest.raises(RuntimeError):
            await stage.tell(*facts)
    assert await stage.dump() == before
    assert await stage.types() == []
    await stage.tell(*facts)
    assert await stage.nics()


async def test_g3_pruned_histories_lead_to_the_same_state(pool: Pool) -> None:
    stage = await staged(pool)
    facts = busy_day(Teller(epoch=2))
    late, early = facts[5::9], [f for i, f in enumerate(facts) if i not in range(5, len(facts), 9)]
    await stage.each(facts)
    expected = await stage.dump()
    await wipe(pool)
    await staged(pool)
    await stage.each(early)
    assert await prune(pool, START + timedelta(hours=2, seconds=6)) > 0
    await stage.each(late)
    found = await stage.dump()
    for table, rows in expected.items():
        if table != "inventory.vm_history":
            assert found[table] == rows, table
    assert await prune(pool, START + timedelta(hours=9)) > 0
    kinds = {r["kind"] for r in await pool.fetch("SELECT kind FROM inventory.vm_history")}
    assert kinds == {"base"}
    assert await prune(pool, START + timedelta(hours=9)) == 0
    await stage.tell(facts[5])
    for table, rows in expected.items():
        if table != "inventory.vm_history":
            assert (await stage.dump())[table] == rows, table


async def test_g8_the_service_takes_facts_and_commands_and_parks_what_it_cannot_read(
    pool: Pool, database: str
) -> None:
    bus = await connect_bus(amqp_url=None, database_url=database, name="test")
    await bus.declare(TOPOLOGY)
    platform = Platform(database_url=database, pool=pool, bus=bus, health=Health())
    stop = asyncio.Event()
    running = asyncio.create_task(run(Settings(), platform, stop))
    try:
        say = Teller()
        await bus.publish([message_of(say.portgroup("pg-1"))])
        broken = Message(body=b"{", routing_key="guest.addresses.changed.-.-", message_id="broken")
        async with bus.subscribe(["nic.#"]) as seen:
            await bus.publish(
                [broken, message_of(say.vm("a", "pg-1")), message_of(say.guest("a", "10.0.0.5"))]
            )
            async with asyncio.timeout(20):
                while await pool.fetchval("SELECT count(*) FROM inventory.unmatched") == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                await Stage(pool).subnet("prod", "10.0.0.0/24", "pg-1")
                (delivery,) = await seen.batch(1)
        assert delivery.message.type == "nic.created"
        dead = [letter.reason async for letter in bus.dead_letters()]
        assert dead == ["broken_body"]
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)
        await bus.close()
